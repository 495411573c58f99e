// The whole test framework of test/native: each *_test.cc includes this once and is a program of its own.
//
//   TEST(NameOfWhatItKeeps) { EXPECT(condition); EXPECT_EQ(actual, wanted); }
//
// A failed expectation is printed and the test goes on; the program ends with 1. The name of each test is printed
// before it runs, so that a crash or a hang says where.
#ifndef HORNET_TEST_NATIVE_HARNESS_H_
#define HORNET_TEST_NATIVE_HARNESS_H_

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace harness {

struct Test {
  const char* name;
  void (*body)();
};

inline std::vector<Test>& Tests() {
  static std::vector<Test> tests;
  return tests;
}

inline int g_failures = 0;
inline std::vector<std::string> g_args;  // the program's arguments

struct Registration {
  Registration(const char* name, void (*body)()) { Tests().push_back({name, body}); }
};

// Octets as they are written in a vector: printable ASCII as it is, the rest escaped.
inline std::string Escape(std::string_view bytes) {
  std::string text;
  char hex[8];
  for (const char c : bytes) {
    if (c == '\r') {
      text += "\\r";
    } else if (c == '\n') {
      text += "\\n";
    } else if (c == '\\') {
      text += "\\\\";
    } else if (c < 0x20 || c == 0x7f) {  // octets from 0x80 are negative
      snprintf(hex, sizeof(hex), "\\x%02x", static_cast<unsigned char>(c));
      text += hex;
    } else {
      text += c;
    }
  }
  return text;
}

template <typename T>
std::string Show(const T& value) {
  std::ostringstream out;
  if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    out << '"' << Escape(value) << '"';
  } else if constexpr (std::is_enum_v<T>) {
    out << static_cast<long>(value);
  } else if constexpr (std::is_same_v<T, uint8_t> || std::is_same_v<T, int8_t>) {
    out << static_cast<int>(value);
  } else {
    out << value;
  }
  return out.str();
}

inline void Fail(const char* file, int line, const std::string& what) {
  ++g_failures;
  printf("  %s:%d: %s\n", file, line, what.c_str());
}

template <typename A, typename B>
void ExpectEqual(const char* file, int line, const char* text, const A& actual, const B& wanted) {
  if (actual == wanted) return;
  Fail(file, line, std::string(text) + " is " + Show(actual) + ", wanted " + Show(wanted));
}

inline int RunAll() {
  for (const Test& test : Tests()) {
    const int before = g_failures;
    printf("run %s\n", test.name);
    fflush(stdout);
    test.body();
    if (g_failures != before) printf("  failed: %s\n", test.name);
  }
  printf("%zu tests, %d failures\n", Tests().size(), g_failures);
  return g_failures == 0 ? 0 : 1;
}

}  // namespace harness

#define TEST(name)                                                      \
  static void Test##name();                                             \
  static const harness::Registration registration##name(#name, &Test##name); \
  static void Test##name()

#define EXPECT(condition)                                                  \
  do {                                                                     \
    if (!(condition)) harness::Fail(__FILE__, __LINE__, "not true: " #condition); \
  } while (0)

#define EXPECT_EQ(actual, wanted) harness::ExpectEqual(__FILE__, __LINE__, #actual, actual, wanted)

int main(int argc, char** argv) {
  harness::g_args.assign(argv + 1, argv + argc);
  return harness::RunAll();
}

#endif  // HORNET_TEST_NATIVE_HARNESS_H_
