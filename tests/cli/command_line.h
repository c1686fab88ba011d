// The program run as scripts run it, in a folder of the test's own.
#pragma once

#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "temporary_folder.h"

namespace wan::test {

struct Ended {
  int code = -1;
  std::string output;  // both streams
};

/// With every run of blanks and line ends as one blank.
inline std::string unfolded(const std::string& text) {
  std::string flat;
  for (const char c : text) {
    const bool is_blank = c == ' ' || c == '\n';
    if (!is_blank) flat += c;
    if (is_blank && (flat.empty() || flat.back() != ' ')) flat += ' ';
  }
  return flat;
}

/// Whether a text for people has these words in a row. It folds its lines where the paths in it make them too long, and
/// where those lie is not the test's to say.
class SaysWords {
 public:
  explicit SaysWords(const std::string& words) : words_(unfolded(words)) {}
  bool MatchAndExplain(const std::string& text, testing::MatchResultListener*) const {
    return unfolded(text).find(words_) != std::string::npos;
  }
  void DescribeTo(std::ostream* out) const { *out << "says " << testing::PrintToString(words_); }
  void DescribeNegationTo(std::ostream* out) const { *out << "does not say " << testing::PrintToString(words_); }

 private:
  std::string words_;
};

inline auto Says(const std::string& words) { return testing::MakePolymorphicMatcher(SaysWords(words)); }

class CommandLine : public testing::Test {
 protected:
  /// Runs through a shell, in the test's folder.
  Ended run(const std::string& arguments) const {
    const std::string command = "cd " + folder_.string() + " && " + WAN_BINARY_DIR + "/wanbench " + arguments + " 2>&1";
    FILE* pipe = popen(command.c_str(), "r");
    Ended ended;
    char buffer[4096];
    for (size_t n = 0; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) ended.output.append(buffer, n);
    const int status = pclose(pipe);
    ended.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return ended;
  }
  std::string checkpoint() const { return std::string(WAN_FIXTURES) + "/mini-ti2v-t2v"; }
  std::string small_video(const std::string& more = "") const {
    return "generate --device cpu --checkpoint " + checkpoint() + " --prompt x --size 96x64 --num-frames 5 --steps 1 " +
           more;
  }
  size_t files() const {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator(folder_), std::filesystem::directory_iterator()));
  }

  const TemporaryFolder folder_;
};

}  // namespace wan::test
