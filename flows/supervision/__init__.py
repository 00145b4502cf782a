"""What keeps a schedule going: processes that are started again when they die, and runs that are found dead.

children    one process that is kept alive, with its log
watching    runs that died, runs that came due while nobody ran them
supervisor  server, worker and watch of one schedule, until it is stopped
"""
