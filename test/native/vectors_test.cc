// Replays the vectors of test/http/vectors/*.md: whole, cut in two at every byte, and byte by byte. The events must be
// the same each time. How a vector is written is told in test/http/vectors/README.md.
// args: test/http/vectors
#include <dirent.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "harness.h"
#include "replay.h"

namespace hornet {

namespace {

struct Vector {
  std::string place;  // file:line of its heading
  std::string title;
  std::string message;
  HeadLimits limits;
  Events events;
};

// Cutting in two at every byte costs the square of the length; longer messages are cut at about this many places.
constexpr size_t kCutsMax = 2048;

// ---- reading

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// Replaces \r \n \t \\ \xHH, and \(text*count) by `text` repeated. False for anything else after a backslash.
bool Unescape(const std::string& text, std::string* bytes) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      *bytes += text[i];
      continue;
    }
    if (++i == text.size()) return false;
    if (text[i] == 'r') *bytes += '\r';
    else if (text[i] == 'n') *bytes += '\n';
    else if (text[i] == 't') *bytes += '\t';
    else if (text[i] == '\\') *bytes += '\\';
    else if (text[i] == 'x') {
      if (i + 2 >= text.size() || HexDigit(text[i + 1]) < 0 || HexDigit(text[i + 2]) < 0) return false;
      *bytes += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
    } else if (text[i] == '(') {
      const size_t star = text.find('*', i);
      const size_t close = text.find(')', i);
      if (star == std::string::npos || close == std::string::npos || star > close) return false;
      std::string repeated;
      if (!Unescape(text.substr(i + 1, star - i - 1), &repeated)) return false;
      for (int n = atoi(text.c_str() + star + 1); n > 0; --n) *bytes += repeated;
      i = close;
    } else {
      return false;
    }
  }
  return true;
}

bool SetLimit(const std::string& setting, HeadLimits* limits) {
  const size_t equals = setting.find('=');
  if (equals == std::string::npos) return false;
  const std::string name = setting.substr(0, equals);
  const uint32_t value = static_cast<uint32_t>(atoi(setting.c_str() + equals + 1));
  if (name == "request_line_max") limits->request_line_max = value;
  else if (name == "fields_max") limits->fields_max = value;
  else if (name == "field_size_max") limits->field_size_max = value;
  else if (name == "head_bytes_max") limits->head_bytes_max = value;
  else return false;
  return true;
}

std::string TrimLeft(const std::string& line) {
  const size_t start = line.find_first_not_of(' ');
  return start == std::string::npos ? "" : line.substr(start);
}

// Reads one document. A line that is not understood is a failure: a vector must not be lost silently.
std::vector<Vector> ReadDocument(const std::string& path) {
  std::vector<Vector> vectors;
  std::ifstream file(path);
  enum { kProse, kMessage, kEvents } block = kProse;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const std::string place = path + ":" + std::to_string(number);
    if (block == kProse && line.compare(0, 3, "## ") == 0) {
      vectors.push_back({place, line.substr(3), "", {}, {}});
    } else if (block == kProse && line.compare(0, 3, "```") == 0) {
      std::istringstream words(line.substr(3));
      std::string word;
      words >> word;
      if (vectors.empty() || (word != "http" && word != "events")) {
        harness::Fail(path.c_str(), number, "a fence is ```http or ```events below a heading");
        return {};
      }
      block = word == "http" ? kMessage : kEvents;
      while (words >> word) {
        if (!SetLimit(word, &vectors.back().limits)) harness::Fail(path.c_str(), number, "no such limit: " + word);
      }
    } else if (block != kProse && line == "```") {
      block = kProse;
    } else if (block == kMessage) {
      if (!Unescape(line, &vectors.back().message)) harness::Fail(path.c_str(), number, "a wrong escape");
    } else if (block == kEvents) {
      std::string event;
      if (!Unescape(TrimLeft(line), &event)) harness::Fail(path.c_str(), number, "a wrong escape");
      vectors.back().events.push_back(event);
    }
  }
  if (block != kProse) harness::Fail(path.c_str(), 0, "a fence is not closed");
  return vectors;
}

std::vector<Vector> ReadFolder(const std::string& folder) {
  std::vector<std::string> names;
  DIR* directory = opendir(folder.c_str());
  if (directory == nullptr) return {};
  while (const dirent* entry = readdir(directory)) {
    const std::string name = entry->d_name;
    if (name.size() > 3 && name.compare(name.size() - 3, 3, ".md") == 0 && name != "README.md") names.push_back(name);
  }
  closedir(directory);
  std::sort(names.begin(), names.end());
  std::vector<Vector> vectors;
  for (const std::string& name : names) {
    for (Vector& vector : ReadDocument(folder + "/" + name)) vectors.push_back(std::move(vector));
  }
  return vectors;
}

const std::vector<Vector>& AllVectors() {
  static const std::vector<Vector> vectors = ReadFolder(harness::g_args.empty() ? "" : harness::g_args[0]);
  return vectors;
}

// ---- replaying

std::string Shorten(const std::string& text) {
  return text.size() <= 400 ? text : text.substr(0, 300) + "..." + text.substr(text.size() - 60);
}

bool ExpectEvents(const Vector& vector, const Events& events, const std::string& how) {
  if (events == vector.events) return true;
  std::string report = vector.title + " (" + how + ") gives:\n";
  for (const std::string& event : events) report += "      " + Shorten(harness::Escape(event)) + "\n";
  harness::Fail(vector.place.c_str(), 0, report);
  return false;
}

}  // namespace

TEST(ThereAreVectorsEnough) {
  EXPECT(AllVectors().size() >= 150);
  std::set<std::string> titles;
  for (const Vector& vector : AllVectors()) {
    if (!titles.insert(vector.title).second) harness::Fail(vector.place.c_str(), 0, "a second " + vector.title);
    if (vector.message.empty() || vector.events.empty()) harness::Fail(vector.place.c_str(), 0, "incomplete");
  }
}

TEST(EachVectorWholeGivesItsEvents) {
  for (const Vector& vector : AllVectors()) {
    ExpectEvents(vector, ReplayInPieces(vector.message, vector.limits, vector.message.size(), 1), "whole");
  }
}

TEST(EachVectorCutInTwoGivesTheSame) {
  for (const Vector& vector : AllVectors()) {
    const size_t length = vector.message.size();
    const size_t step = length / kCutsMax + 1;
    for (size_t cut = 0; cut < length; cut += step) {
      const Events events = ReplayInPieces(vector.message, vector.limits, cut, length);
      if (!ExpectEvents(vector, events, "cut at " + std::to_string(cut))) break;
    }
  }
}

TEST(EachVectorByteByByteGivesTheSame) {
  for (const Vector& vector : AllVectors()) {
    ExpectEvents(vector, ReplayInPieces(vector.message, vector.limits, 1, 1), "byte by byte");
  }
}

}  // namespace hornet
