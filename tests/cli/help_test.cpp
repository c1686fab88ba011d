// The help of every command, and what is said of a word that no command and no option is called.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <sstream>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include "base/error.h"
#include "cli/command_tree.h"
#include "cli/commands.h"
#include "cli/unknown_words.h"
#include "command_line.h"

namespace wan::cli {
namespace {

using test::CommandLine;
using test::Ended;
using test::Says;
using testing::HasSubstr;
using testing::Not;

class Help : public CommandLine {
 protected:
  Help() : app_("Generates video.", "wanbench") {
    app_.set_version_flag("--version", "1");
    add_commands(app_, result_);
  }

  void walk(const CommandText& command, const std::function<void(const CommandText&)>& visit) const {
    visit(command);
    for (const CommandText& below : command.commands) walk(below, visit);
  }
  std::string help_of(const CommandText& command) const {
    const CLI::App* at = &app_;
    for (const std::string& word : command.words)
      at = at->get_subcommands([&](const CLI::App* one) { return one->get_name() == word; }).front();
    return at->help();
  }
  std::string unknown(const std::vector<std::string>& words) const { return unknown_word(app_, words).value_or(""); }

  CLI::App app_;
  ExitCode result_ = ExitCode::kSuccess;
};

/// The same words, one space between them.
std::string words_of(const std::string& text) {
  std::istringstream words(text);
  std::string out;
  for (std::string word; words >> word;) out += (out.empty() ? "" : " ") + word;
  return out;
}

TEST_F(Help, FitsEightyColumnsAndBreaksBetweenWordsOnly) {
  size_t commands = 0;
  walk(command_tree(app_), [&](const CommandText& command) {
    ++commands;
    const std::string name = fmt::format("wanbench {}", fmt::join(command.words, " "));
    const std::string help = help_of(command), flowing = words_of(help);
    std::istringstream lines(help);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << name << "\n" << line;
    EXPECT_THAT(flowing, Says(words_of(command.description))) << name;
    for (const OptionText& option : command.options) {
      EXPECT_THAT(flowing, Says(words_of(option.description))) << name;
      for (const std::string& flag : option.flags) EXPECT_THAT(flowing, Says(flag)) << name;
      EXPECT_THAT(flowing, Says(fmt::format("{}", fmt::join(option.words, ", ")))) << name;
    }
    for (const CommandText& below : command.commands)
      EXPECT_THAT(flowing, Says(below.words.back() + " " + words_of(below.description))) << name;
  });
  EXPECT_GE(commands, 18u);
}

TEST_F(Help, IsWhatTheProgramShows) {
  const Ended ended = run("run --help");
  EXPECT_EQ(ended.code, 0);
  const auto options = [](const std::string& help) {
    return help.substr(std::min(help.find("Options:"), help.size()));
  };
  EXPECT_EQ(options(ended.output), options(app_.get_subcommand("run")->help()));
  EXPECT_THAT(words_of(ended.output), HasSubstr("--order TEXT interleaved: repeats go round the cases; grouped: one "
                                                "case after the other; one of interleaved, grouped; default: "
                                                "interleaved"));
  EXPECT_THAT(words_of(ended.output), Says("required"));
}

TEST_F(Help, SaysWhatMayHaveBeenMeant) {
  EXPECT_EQ(unknown({"genrate"}), "wanbench has no command 'genrate': did you mean generate?");
  EXPECT_EQ(unknown({"generate", "--promt", "x"}), "wanbench generate has no option --promt: did you mean --prompt?");
  EXPECT_EQ(unknown({"generate", "--promt=x"}), "wanbench generate has no option --promt: did you mean --prompt?");
  EXPECT_EQ(unknown({"generate", "-promt", "x"}), "wanbench generate has no option -promt: did you mean --prompt?");
  EXPECT_EQ(unknown({"--verson"}), "wanbench has no option --verson: did you mean --version?");
  EXPECT_EQ(unknown({"run", "--checkpont", "d"}), "wanbench run has no option --checkpont: did you mean --checkpoint?");
  EXPECT_EQ(unknown({"selftest", "overhaed"}), "wanbench selftest has no command 'overhaed': did you mean overhead?");
  EXPECT_EQ(unknown({"help", "generate"}), "wanbench has no command 'help': write --help");
  EXPECT_EQ(unknown({"version"}), "wanbench has no command 'version': write --version");
  EXPECT_EQ(unknown({"selftest", "overhead", "--pair", "3"}),
            "wanbench selftest overhead has no option --pair: did you mean --pairs?");
}

TEST_F(Help, OffersNothingFarHiddenOrKnown) {
  EXPECT_EQ(unknown({"video"}), "wanbench has no command 'video'");
  EXPECT_EQ(unknown({"manul"}), "wanbench has no command 'manul'") << "hidden";
  EXPECT_EQ(unknown({"generate", "--colour", "red"}), "wanbench generate has no option --colour");
  EXPECT_EQ(unknown({"generate", "--prompt", "--promt", "--seed", "-5"}), "") << "a value, not an option";
  EXPECT_EQ(unknown({"case", "--pipe-fd", "1"}), "");
  EXPECT_EQ(unknown({"inspect", "a", "b"}), "") << "not a question of words";
  EXPECT_EQ(unknown({"report", "--", "--promt"}), "");
  EXPECT_EQ(unknown({}), "");
}

TEST_F(Help, ATypoIsBadUsage) {
  for (const char* arguments : {"genrate", "generate --promt x", "compare --jsn"}) {
    const Ended ended = run(arguments);
    EXPECT_EQ(ended.code, static_cast<int>(ExitCode::kUsage)) << arguments;
    EXPECT_THAT(ended.output, Says("did you mean")) << arguments;
    EXPECT_THAT(ended.output, Says("--help")) << arguments;
  }
  const Ended hostile = run("$(printf 'gen\\033[2Jrate')");
  EXPECT_EQ(hostile.code, static_cast<int>(ExitCode::kUsage));
  EXPECT_THAT(hostile.output, Not(Says("\033")));
}

}  // namespace
}  // namespace wan::cli
