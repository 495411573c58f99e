// A number in decimal digits, where a printf would cost more than all that is written around it.
// Pure: values in, values out. Thread: any.
#ifndef HORNET_BASE_PUT_NUMBER_H_
#define HORNET_BASE_PUT_NUMBER_H_

#include <cstddef>
#include <cstdint>

namespace hornet {

// Writes at most 20 bytes, no NUL. Returns the end of what it wrote.
inline char* PutNumber(char* out, uint64_t value) {
  char digits[20];
  size_t count = 0;
  do {
    digits[count++] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  while (count > 0) *out++ = digits[--count];
  return out;
}

}  // namespace hornet

#endif  // HORNET_BASE_PUT_NUMBER_H_
