// The server on the loop of other systems.
// links: uv ssl loop net tls static server http http2
// defines: HORNET_LOOP_UV
#include "server_test.cc"
