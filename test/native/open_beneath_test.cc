// Files below a folder are opened, and nothing else is, by both methods; also where that must not wait.
// links: static
#include "static/open_beneath.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>

#include "harness.h"

namespace hornet {

namespace {

void Write(const std::string& path, const std::string& text) {
  FILE* file = fopen(path.c_str(), "w");
  fwrite(text.data(), 1, text.size(), file);
  fclose(file);
}

// A folder with files and links, and a secret beside it.
class Tree {
 public:
  Tree() {
    char name[] = "/tmp/hornet-beneath-XXXXXX";
    base_ = mkdtemp(name);
    root = base_ + "/public";
    for (const char* folder : {"/public", "/public/sub", "/public/bare", "/other"}) {
      mkdir((base_ + folder).c_str(), 0755);
    }
    Write(base_ + "/secret", "secret");
    Write(base_ + "/other/secret", "secret");
    Write(base_ + "/publicx", "secret");
    Write(root + "/a.txt", "plain");
    Write(root + "/b.css", "plain");
    Write(root + "/b.css.br", "brotli");
    Write(root + "/b.css.gz", "gzip!");
    Write(root + "/c.png", "plain");
    Write(root + "/c.png.gz", "gzip!");
    Write(root + "/sub/index.html", "index");
    Write(root + "/sub/deep.txt", "deep");
    Link("a.txt", "/public/inside");
    Link("../a.txt", "/public/sub/up");
    Link("sub", "/public/folder");
    Link("../secret", "/public/out");
    Link("../../secret", "/public/sub/out");
    Link("../other", "/public/outfolder");
    Link("../publicx", "/public/beside");
    Link((base_ + "/secret").c_str(), "/public/absolute");
    Link("loop", "/public/loop");
    Link("/proc/self/root/etc/hostname", "/public/magic");
    mkfifo((root + "/pipe").c_str(), 0600);
  }
  ~Tree() { EXPECT_EQ(system(("rm -rf " + base_).c_str()), 0); }

  std::string root;

 private:
  void Link(const char* to, const char* at) { EXPECT_EQ(symlink(to, (base_ + at).c_str()), 0); }
  std::string base_;
};

std::string Open(const StaticMount& mount, const std::string& path, BeneathMethod method, Wait wait = Wait::kDisk,
                 const char* accept = "") {
  const bool is_folder = !path.empty() && path.back() == '/';
  OpenFile file;
  const OpenResult result = OpenFileBeneath(mount, is_folder ? path.substr(0, path.size() - 1) : path, is_folder,
                                            ReadAcceptEncoding(accept), wait, method, &file);
  switch (result) {
    case OpenResult::kFile: break;
    case OpenResult::kFolder: return "(folder)";
    case OpenResult::kMissing: return "(missing)";
    case OpenResult::kForbidden: return "(forbidden)";
    case OpenResult::kBusy: return "(busy)";
    case OpenResult::kNotNow: return "(not now)";
  }
  char text[64];
  const int64_t count = ReadFileAt(file.fd.get(), text, sizeof(text), 0, Wait::kDisk);
  EXPECT_EQ(count, static_cast<int64_t>(file.size));
  return std::string(text, static_cast<size_t>(count));
}

}  // namespace

TEST(WhatLiesInsideIsFoundAndNothingElse) {
  const Tree tree;
  const StaticMount mount = {"", tree.root};
  for (const BeneathMethod method : {BeneathMethod::kVerified, BestBeneathMethod()}) {
    auto open = [&](const std::string& path) { return Open(mount, path, method); };
    EXPECT_EQ(open("a.txt"), "plain");
    EXPECT_EQ(open("sub/deep.txt"), "deep");
    EXPECT_EQ(open("sub/"), "index");
    EXPECT_EQ(open("sub"), "(folder)");
    EXPECT_EQ(open("bare"), "(missing)");
    EXPECT_EQ(open("bare/"), "(missing)");
    EXPECT_EQ(open(""), "(missing)");
    EXPECT_EQ(open("/"), "(missing)");
    EXPECT_EQ(open("none"), "(missing)");
    EXPECT_EQ(open("a.txt/"), "(missing)");
    EXPECT_EQ(open("a.txt/x"), "(missing)");
    EXPECT_EQ(open(std::string(300, 'a')), "(missing)");
    EXPECT_EQ(open("pipe"), "(missing)");
    EXPECT_EQ(open("loop"), "(missing)");
    EXPECT_EQ(open("inside"), "plain");
    EXPECT_EQ(open("sub/up"), "plain");
    EXPECT_EQ(open("folder/deep.txt"), "deep");
    for (const char* out : {"out", "sub/out", "outfolder/secret", "outfolder", "outfolder/", "beside", "absolute",
                            "magic", "../secret", "sub/../../secret", "/etc/hostname"}) {
      EXPECT_EQ(open(out), "(missing)");
    }
  }
}

TEST(CompressedCopiesBesideTheFile) {
  const Tree tree;
  const StaticMount mount = {"", tree.root};
  auto open = [&](const std::string& path, const char* accept) {
    return Open(mount, path, BestBeneathMethod(), Wait::kDisk, accept);
  };
  EXPECT_EQ(open("b.css", ""), "plain");
  EXPECT_EQ(open("b.css", "gzip, br"), "brotli");
  EXPECT_EQ(open("b.css", "gzip"), "gzip!");
  EXPECT_EQ(open("a.txt", "gzip, br"), "plain");
  EXPECT_EQ(open("c.png", "gzip"), "plain");
  EXPECT_EQ(open("none.css", "gzip"), "(missing)");
}

TEST(WhatMayNotBeRead) {
  if (geteuid() == 0) return;  // everything may
  const Tree tree;
  chmod((tree.root + "/a.txt").c_str(), 0);
  EXPECT_EQ(Open({"", tree.root}, "a.txt", BestBeneathMethod()), "(forbidden)");
}

TEST(AFolderThatIsGone) {
  EXPECT_EQ(Open({"", "/nowhere/at/all"}, "a.txt", BestBeneathMethod()), "(missing)");
}

TEST(WithoutWaiting) {
  const Tree tree;
  if (!IsQuickFolder(tree.root)) return;
  const StaticMount mount = {"", tree.root};
  // Looked for just now, so that the kernel has it in memory; still it may find that it has to wait for something.
  for (const auto& [path, found] : std::vector<std::pair<std::string, std::string>>{
           {"a.txt", "plain"}, {"b.css", "brotli"}, {"sub/", "index"}, {"out", "(missing)"}, {"none", "(missing)"}}) {
    EXPECT_EQ(Open(mount, path, BeneathMethod::kStrict, Wait::kDisk, "br"), found);
    const std::string again = Open(mount, path, BeneathMethod::kStrict, Wait::kNever, "br");
    EXPECT(again == found || again == "(not now)");
  }
}

TEST(OnlyDisksOfThisMachineAreQuick) {
  EXPECT(!IsQuickFolder("/proc"));
  EXPECT(!IsQuickFolder("/nowhere/at/all"));
  if (access("/proc/version", R_OK) != 0 || !IsQuickFolder("/")) return;
  // Mounted below a quick one.
  OpenFile file;
  const StaticMount mount = {"", "/"};
  auto open = [&](Wait wait) {
    return OpenFileBeneath(mount, "proc/version", false, {}, wait, BeneathMethod::kStrict, &file);
  };
  EXPECT_EQ(open(Wait::kNever), OpenResult::kNotNow);
  EXPECT_EQ(open(Wait::kDisk), OpenResult::kFile);
  EXPECT(!file.is_quick);
}

TEST(ReadingStopsAtTheEnd) {
  const Tree tree;
  const Fd fd(open((tree.root + "/a.txt").c_str(), O_RDONLY));
  char text[8];
  EXPECT_EQ(ReadFileAt(fd.get(), text, sizeof(text), 3, Wait::kDisk), 2);
  EXPECT_EQ(ReadFileAt(fd.get(), text, sizeof(text), 5, Wait::kDisk), 0);
  EXPECT_EQ(ReadFileAt(fd.get(), text, sizeof(text), 5, Wait::kNever), -EAGAIN);
  EXPECT_EQ(ReadFileAt(-1, text, sizeof(text), 0, Wait::kDisk), -EBADF);
}

}  // namespace hornet
