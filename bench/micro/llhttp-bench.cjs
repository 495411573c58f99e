// Loads llhttp_bench.cc's shared object, which prints its figures as it is loaded. Started by run.mjs.
require(process.argv[2])
