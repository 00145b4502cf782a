"""What is learned: networks, corruption, penalties, objectives, pre-training, fine-tuning, measures.

Pure functions and modules of torch: arrays in, arrays out. May import torch, numpy, scikit-learn,
scipy and pydantic; must never read files or the clock, log, draw hidden random numbers, or import prefect, bentoml or
onnxruntime.

Notation. The papers' symbols clash (Vincent et al. 2010 call the code y and the reconstruction z; Rifai et
al. 2011 call the encoder f and the code h); everything in this room obeys this table.

| symbol | name in code                   | shape            | meaning                              |
|--------|--------------------------------|------------------|--------------------------------------|
| x      | `x`, `rows`, `inputs`          | (batch, *shape)  | a clean input, own units or scaled   |
| x̃     | `corrupted`                    | (batch, *shape)  | x after corruption q                 |
| z      | `code`, `codes`                | (batch, *code)   | the code; the last is the bottleneck |
| x̂     | `reconstruction`               | (batch, *shape)  | g(h(x))                              |
| h      | `encode`, `encoder`            | x -> z           | encoder, s(a)                        |
| g      | `decode`, `decoder`            | z -> x̂          | decoder                              |
| a      | `preactivation`                | (batch, *code)   | W x + b, before the activation s     |
| s, s'  | `activation`, `slope`          | elementwise      | activation and its derivative at a   |
| W      | `weight`                       | (code, x)        | convolution: (code, channels, k, k)  |
| b, c   | `encoder_bias`, `decoder_bias` | (code,), (x,)    | biases of encoder and decoder        |
| J      | `jacobian`                     | (batch, code, x) | dh/dx                                |
| ν, σ   | `corruption.level`             | scalar           | share of inputs; deviation of noise  |
| λ      | `contraction.weight`           | scalar           | weight of the contraction penalty    |
| d_z    | `code_size`                    | integer          | width of the bottleneck              |

"Scaled" means after `preprocessing`: in [0, 1] (`range`) or of mean 0 and deviation 1 (`standard`). Every
loss is a sum over features and a mean over the batch. SAE means stacked here, never sparse.

Rooms:
- `recipe` (with `recipe_fields`, `recipe_parts`, `recipe_agreement`, `recipe_layers`, `recipe_errors`,
  `recipe_settings`): what to train, validated; `recipes/*.yaml`. No torch.
- `layers` (with `autoencoder`, `convolution`, `activations`, `initialisation`): one encoder/decoder pair.
  `stack`: pairs in order.
- `preprocessing`: data's own units to scaled rows and back. `encoder_decoder`: the modules that are exported.
- `jacobian_products`: J u and vᵀ J of an encoder, written out.
- `corruption`, `losses`, `contraction`, `regularised_encoding`: the terms. `objectives`: one batch to named terms (AE,
  DAE, SCAE, CAE). `classifier`: an encoder with a softmax on top.
- `training` (with `learning`, `run`, `checkpoints`, `batches`, `determinism`, `optimisers`): epochs over rows.
  `pretraining`: one layer. `fine_tuning`: all layers, on reconstruction or on labels.
- `sampling`: a density over codes. `chains`: walkback and the Jacobian walk.
- `measures/`: measures of a code and its reconstruction, and how sure they are.
- `randomness`: every generator, by seed and purpose. `errors`: the exception tree.
"""
