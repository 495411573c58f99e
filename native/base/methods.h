// The request methods known to Node (`http.METHODS`, the same 35 on Node 20 to 26), in its order. `npm run gen` reads
// this list too, so a method's number means the same on both sides of the seam.
#ifndef HORNET_BASE_METHODS_H_
#define HORNET_BASE_METHODS_H_

#include <cstdint>

namespace hornet {

#define HORNET_METHODS(X) \
  X(kAcl, "ACL") \
  X(kBind, "BIND") \
  X(kCheckout, "CHECKOUT") \
  X(kConnect, "CONNECT") \
  X(kCopy, "COPY") \
  X(kDelete, "DELETE") \
  X(kGet, "GET") \
  X(kHead, "HEAD") \
  X(kLink, "LINK") \
  X(kLock, "LOCK") \
  X(kMSearch, "M-SEARCH") \
  X(kMerge, "MERGE") \
  X(kMkactivity, "MKACTIVITY") \
  X(kMkcalendar, "MKCALENDAR") \
  X(kMkcol, "MKCOL") \
  X(kMove, "MOVE") \
  X(kNotify, "NOTIFY") \
  X(kOptions, "OPTIONS") \
  X(kPatch, "PATCH") \
  X(kPost, "POST") \
  X(kPropfind, "PROPFIND") \
  X(kProppatch, "PROPPATCH") \
  X(kPurge, "PURGE") \
  X(kPut, "PUT") \
  X(kQuery, "QUERY") \
  X(kRebind, "REBIND") \
  X(kReport, "REPORT") \
  X(kSearch, "SEARCH") \
  X(kSource, "SOURCE") \
  X(kSubscribe, "SUBSCRIBE") \
  X(kTrace, "TRACE") \
  X(kUnbind, "UNBIND") \
  X(kUnlink, "UNLINK") \
  X(kUnlock, "UNLOCK") \
  X(kUnsubscribe, "UNSUBSCRIBE")

enum class Method : uint8_t {
#define X(name, text) name,
  HORNET_METHODS(X)
#undef X
};

constexpr const char* kMethodNames[] = {
#define X(name, text) text,
    HORNET_METHODS(X)
#undef X
};

constexpr uint32_t kMethodCount = sizeof(kMethodNames) / sizeof(kMethodNames[0]);

// Safe methods (RFC 9110 section 9.2.1) may be handled in parallel when pipelined (RFC 9112 section 9.3.2).
constexpr bool IsSafe(Method method) {
  return method == Method::kGet || method == Method::kHead || method == Method::kOptions || method == Method::kTrace;
}

}  // namespace hornet

#endif  // HORNET_BASE_METHODS_H_
