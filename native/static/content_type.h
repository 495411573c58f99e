// What kind of content a file is taken for, by the ending of its name. Pure.
#ifndef HORNET_STATIC_CONTENT_TYPE_H_
#define HORNET_STATIC_CONTENT_TYPE_H_

#include <string_view>

namespace hornet {

struct ContentType {
  const char* ending;    // lower case, without the dot
  const char* type;      // value of Content-Type
  bool is_compressible;  // worth a compressed copy: .br or .gz beside the file
};

// application/octet-stream for an ending that is not known.
const ContentType& ContentTypeOf(std::string_view path);

}  // namespace hornet

#endif  // HORNET_STATIC_CONTENT_TYPE_H_
