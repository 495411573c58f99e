// Dates as HTTP writes them (RFC 9110 section 5.6.7). Pure.
#ifndef HORNET_BASE_HTTP_DATE_H_
#define HORNET_BASE_HTTP_DATE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hornet {

constexpr size_t kDateLength = 29;  // bytes of "Sun, 06 Nov 1994 08:49:37 GMT"

// Writes kDateLength bytes.
void WriteHttpDate(int64_t unix_seconds, char* out);

// Any of the three forms a recipient has to know; false for everything else.
bool ParseHttpDate(std::string_view text, int64_t* unix_seconds);

}  // namespace hornet

#endif  // HORNET_BASE_HTTP_DATE_H_
