#include "base/http_date.h"

#include <cstdio>
#include <cstring>
#include <ctime>

namespace hornet {

namespace {

constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr const char* kLongDays[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// Takes what it finds off the front of the text; once something is missing, nothing is found any more.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool is_whole() const { return is_good_ && text_.empty(); }

  bool Accept(std::string_view word) {
    if (text_.substr(0, word.size()) != word) return false;
    text_.remove_prefix(word.size());
    return true;
  }
  void Expect(std::string_view word) { is_good_ = Accept(word) && is_good_; }
  template <size_t N>
  int Name(const char* const (&names)[N]) {
    for (size_t i = 0; i < N; i++) {
      if (Accept(names[i])) return static_cast<int>(i);
    }
    is_good_ = false;
    return 0;
  }
  int Digits(size_t count) {
    int value = 0;
    if (text_.size() < count) is_good_ = false;
    for (size_t i = 0; is_good_ && i < count; i++) {
      is_good_ = text_[i] >= '0' && text_[i] <= '9';
      value = value * 10 + (text_[i] - '0');
    }
    if (is_good_) text_.remove_prefix(count);
    return is_good_ ? value : 0;
  }

 private:
  std::string_view text_;
  bool is_good_ = true;
};

struct Moment {
  int year, month, day, hour, minute, second;
};

void ReadTime(Reader* reader, Moment* moment) {
  moment->hour = reader->Digits(2);
  reader->Expect(":");
  moment->minute = reader->Digits(2);
  reader->Expect(":");
  moment->second = reader->Digits(2);
}

// Days since 1970-01-01 in the Gregorian calendar: years begin in March, so that the leap day is their last.
int64_t DaysSinceEpoch(int year, int month, int day) {
  int64_t y = month < 2 ? year - 1 : year;
  int64_t era = (y >= 0 ? y : y - 399) / 400;
  int64_t year_of_era = y - era * 400;
  int64_t day_of_year = (153 * ((month + 10) % 12) + 2) / 5 + day - 1;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

int ThisYear() {
  time_t now = time(nullptr);
  tm utc;
  gmtime_r(&now, &utc);
  return utc.tm_year + 1900;
}

}  // namespace

void WriteHttpDate(int64_t unix_seconds, char* out) {
  time_t time = static_cast<time_t>(unix_seconds);
  tm utc;
  gmtime_r(&time, &utc);
  // Not strftime: its names follow the locale. The remainders tell the compiler that each number fits.
  char text[kDateLength + 1];
  std::snprintf(text, sizeof(text), "%s, %02u %s %04u %02u:%02u:%02u GMT", kDays[utc.tm_wday],
                static_cast<unsigned>(utc.tm_mday) % 100, kMonths[utc.tm_mon],
                static_cast<unsigned>(utc.tm_year + 1900) % 10000, static_cast<unsigned>(utc.tm_hour) % 100,
                static_cast<unsigned>(utc.tm_min) % 100, static_cast<unsigned>(utc.tm_sec) % 100);
  std::memcpy(out, text, kDateLength);
}

bool ParseHttpDate(std::string_view text, int64_t* unix_seconds) {
  Moment moment = {};
  Reader reader(text);
  const size_t comma = text.find(',');
  if (comma == 3) {
    // Sun, 06 Nov 1994 08:49:37 GMT
    reader.Name(kDays);
    reader.Expect(", ");
    moment.day = reader.Digits(2);
    reader.Expect(" ");
    moment.month = reader.Name(kMonths);
    reader.Expect(" ");
    moment.year = reader.Digits(4);
    reader.Expect(" ");
    ReadTime(&reader, &moment);
    reader.Expect(" GMT");
  } else if (comma != std::string_view::npos) {
    // Sunday, 06-Nov-94 08:49:37 GMT
    reader.Name(kLongDays);
    reader.Expect(", ");
    moment.day = reader.Digits(2);
    reader.Expect("-");
    moment.month = reader.Name(kMonths);
    reader.Expect("-");
    const int now = ThisYear();
    moment.year = now - now % 100 + reader.Digits(2);
    // What appears to be more than 50 years ahead is the most recent year with these digits.
    if (moment.year > now + 50) moment.year -= 100;
    reader.Expect(" ");
    ReadTime(&reader, &moment);
    reader.Expect(" GMT");
  } else {
    // Sun Nov  6 08:49:37 1994
    reader.Name(kDays);
    reader.Expect(" ");
    moment.month = reader.Name(kMonths);
    reader.Expect(" ");
    moment.day = reader.Accept(" ") ? reader.Digits(1) : reader.Digits(2);
    reader.Expect(" ");
    ReadTime(&reader, &moment);
    reader.Expect(" ");
    moment.year = reader.Digits(4);
  }
  // A leap second is the next minute's first.
  if (!reader.is_whole() || moment.day < 1 || moment.day > 31 || moment.hour > 23 || moment.minute > 59 ||
      moment.second > 60) {
    return false;
  }
  *unix_seconds = ((DaysSinceEpoch(moment.year, moment.month, moment.day) * 24 + moment.hour) * 60 + moment.minute) *
                      60 +
                  moment.second;
  return true;
}

}  // namespace hornet
