// Paths of files: a target names a file below its folder, or nothing; no spelling of it leads elsewhere.
// links: static
#include "static/file_path.h"

#include "harness.h"

namespace hornet {

namespace {

// "FOLDER:path", with a slash at the end for a folder; "-" for nothing.
std::string Find(const std::string& target) {
  static StaticMounts mounts = [] {
    StaticMounts made = {{"/assets", "A"}, {"/assets/deep", "D"}, {"/docs", "O"}};
    SortMounts(&made);
    return made;
  }();
  char buffer[kFilePathBytesMax];
  FilePath found;
  if (!FindFilePath(target, mounts, buffer, &found)) return "-";
  return found.mount->folder + ":" + std::string(found.path) + (found.is_folder ? "/" : "");
}

std::string FindAtRoot(const std::string& target) {
  const StaticMounts mounts = {{"", "R"}};
  char buffer[kFilePathBytesMax];
  FilePath found;
  if (!FindFilePath(target, mounts, buffer, &found)) return "-";
  return std::string(found.path) + (found.is_folder ? "/" : "");
}

}  // namespace

TEST(TheLongestPrefixOfWholeSegments) {
  EXPECT_EQ(Find("/assets/a.css"), "A:a.css");
  EXPECT_EQ(Find("/assets/deep/a.css"), "D:a.css");
  EXPECT_EQ(Find("/assets/deeper/a.css"), "A:deeper/a.css");
  EXPECT_EQ(Find("/assets/deep"), "D:");
  EXPECT_EQ(Find("/assets"), "A:");
  EXPECT_EQ(Find("/assets/"), "A:/");
  EXPECT_EQ(Find("/docs/a/b/"), "O:a/b/");
  EXPECT_EQ(Find("/assets2/a.css"), "-");
  EXPECT_EQ(Find("/Assets/a.css"), "-");
  EXPECT_EQ(Find("/"), "-");
}

TEST(AllPaths) {
  EXPECT_EQ(FindAtRoot("/"), "/");
  EXPECT_EQ(FindAtRoot("/a"), "a");
  EXPECT_EQ(FindAtRoot("/a/?x=/../b"), "a/");
  EXPECT_EQ(FindAtRoot("//"), "-");
  EXPECT_EQ(FindAtRoot("//a"), "-");
  EXPECT_EQ(FindAtRoot("*"), "-");
  EXPECT_EQ(FindAtRoot(""), "-");
}

TEST(AnAbsoluteTarget) {
  EXPECT_EQ(Find("http://host:80/assets/a.css?q"), "A:a.css");
  EXPECT_EQ(Find("http://host"), "-");
  EXPECT_EQ(Find("http://host?/assets/a.css"), "-");
  EXPECT_EQ(FolderLocation("http://host/assets?q"), "/assets/?q");
}

TEST(EscapesAreDecodedOnce) {
  EXPECT_EQ(Find("/%61ssets/%c3%a9%20%2B+%25.css"), "A:\xc3\xa9 ++%.css");
  EXPECT_EQ(Find("/assets/%252e%252e/x"), "A:%2e%2e/x");
  EXPECT_EQ(Find("/assets/a%3Fb%23"), "A:a?b#");
  for (const char* bad : {"%", "%4", "%g0", "%0g", "a%", "a%4", "%%30%30"}) {
    EXPECT_EQ(Find(std::string("/assets/") + bad), "-");
  }
}

TEST(NoSpellingLeadsOut) {
  for (const char* bad :
       {"..", "../x", "a/../b", "a/..", "./a", "a/./b", "a/.", ".", "%2e%2e/x", ".%2e/x", "%2E%2E/", "a%2fb", "a%2Fb",
        "..%2fx", "..%5cx", "..\\x", "a\\..\\x", "a%00", "%00", "a%00.css", "a%0a", "a%1f", "a%7f", "a//b", "/a",
        "a//", "...", "..a"}) {
    EXPECT_EQ(Find(std::string("/assets/") + bad), "-");
    EXPECT_EQ(FindAtRoot(std::string("/") + bad), "-");
  }
  EXPECT_EQ(Find("/assets/a..b/c.."), "A:a..b/c..");
}

TEST(HiddenFilesStayHidden) {
  for (const char* bad : {".env", ".git/config", "a/.htaccess", "%2eenv", "a/.well-known/x", ".well-known/.env",
                          ".well-knownx"}) {
    EXPECT_EQ(Find(std::string("/assets/") + bad), "-");
  }
  EXPECT_EQ(FindAtRoot("/.well-known/security.txt"), ".well-known/security.txt");
}

TEST(NoLongerThanAnyPath) {
  EXPECT_EQ(FindAtRoot("/" + std::string(kFilePathBytesMax - 1, 'a')), std::string(kFilePathBytesMax - 1, 'a'));
  EXPECT_EQ(FindAtRoot("/" + std::string(kFilePathBytesMax, 'a')), "-");
}

TEST(TheSlashBelongsBeforeTheQuery) {
  EXPECT_EQ(FolderLocation("/a%20b"), "/a%20b/");
  EXPECT_EQ(FolderLocation("/a?b=/c"), "/a/?b=/c");
  EXPECT_EQ(FolderLocation("/a?"), "/a/?");
}

}  // namespace hornet
