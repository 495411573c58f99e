// What stands between the network and the application: proxies in front, and paths that are answered here.
#ifndef HORNET_HTTP_EDGE_OPTIONS_H_
#define HORNET_HTTP_EDGE_OPTIONS_H_

#include <string>

#include "base/ip_set.h"
#include "http/proxy_header.h"

namespace hornet {

struct EdgeOptions {
  // Peers whose X-Forwarded-* and Forwarded fields are believed. Those of a unix socket are, when there is any such
  // peer: the socket's mode says who may come.
  IpSet forwarded_from;
  // The application sees the forwarded address, and whether TLS was used, as the connection's own.
  bool shows_forwarded = false;
  // With a version, every connection must begin with such a header, and come from one of these peers.
  ProxyVersions proxy_versions = ProxyVersions::kNone;
  IpSet proxy_from;
  // PREFIX/live and PREFIX/ready are answered by the I/O thread; empty: they are not.
  std::string health_prefix;
};

}  // namespace hornet

#endif  // HORNET_HTTP_EDGE_OPTIONS_H_
