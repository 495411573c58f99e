// The same of the loop of other systems.
// links: uv loop
// defines: HORNET_LOOP_UV
#include "loop_test.cc"
