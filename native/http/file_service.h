// What a connection needs of whoever serves files on its I/O thread (server/file_server.h).
#ifndef HORNET_HTTP_FILE_SERVICE_H_
#define HORNET_HTTP_FILE_SERVICE_H_

#include <cstdint>

#include "http/exchange.h"
#include "http/head_parser.h"

namespace hornet {

class FileService {
 public:
  enum class Taken : uint8_t {
    kNo,        // there is no such file: the application's
    kAnswered,
    kLater,     // perhaps; Park() follows, with the request's text stored
  };

  // The request whose head has just been parsed, GET or HEAD. Answers it if that takes no waiting and its turn has come
  // (`is_next`: no earlier response of its connection is missing).
  virtual Taken Take(Exchange* exchange, const RequestHead& head, const char* head_bytes, bool is_next) = 0;
  virtual void Park(Exchange* exchange, bool is_next) = 0;

 protected:
  ~FileService() = default;
};

}  // namespace hornet

#endif  // HORNET_HTTP_FILE_SERVICE_H_
