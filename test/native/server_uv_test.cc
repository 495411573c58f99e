// The server on the loop of other systems.
// links: uv loop net static server http
// defines: HORNET_LOOP_UV
#include "server_test.cc"
