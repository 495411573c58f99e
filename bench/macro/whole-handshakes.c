// Has wrk make a whole handshake on each connection (LD_PRELOAD).
//
// wrk keeps the SSL object of a connection for the next one and clears it between; what is left in it is the session,
// if the last one ended in good order. So a server is asked to resume sessions as often as the way it ends connections
// lets wrk: nginx nearly always, Node every other time. Those are different loads.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

// Declared here, so that it takes a compiler and none of OpenSSL's headers.
typedef int Clear(void *ssl);
typedef int SetSession(void *ssl, void *session);

Clear SSL_clear;

int SSL_clear(void *ssl) {
  int result = ((Clear *)dlsym(RTLD_NEXT, "SSL_clear"))(ssl);
  ((SetSession *)dlsym(RTLD_NEXT, "SSL_set_session"))(ssl, NULL);
  return result;
}
