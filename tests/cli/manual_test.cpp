// The manual page, the completions and the README's table of environment variables: each made or checked from what the
// program declares.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "base/file.h"
#include "cli/command_tree.h"
#include "cli/completions.h"
#include "cli/engine_environment.h"
#include "cli/man_page.h"
#include "command_line.h"

namespace wan::cli {
namespace {

namespace fs = std::filesystem;
using test::CommandLine;
using test::Ended;
using test::Says;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

/// Names in the sources that are environment variables: what is asked for by name, and every NAME_OF_THIS_KIND in a
/// file that asks.
std::set<std::string> variables_in_sources() {
  constexpr const char* kAsks[] = {"getenv(", "environ.get(", "Variable = \""};
  const std::regex name(R"-("([A-Z][A-Z0-9]*_[A-Z0-9_]+)"|(?:getenv|environment|environ\.get)\("([A-Z0-9_]+)")-");
  std::set<std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(WAN_SOURCE_DIR) / "src")) {
    if (!entry.is_regular_file()) continue;
    const std::string text = read_text(entry.path());
    if (std::ranges::none_of(kAsks, [&](const char* ask) { return text.find(ask) != std::string::npos; })) continue;
    for (std::sregex_iterator match(text.begin(), text.end(), name), end; match != end; ++match)
      found.insert((*match)[1].matched ? (*match)[1].str() : (*match)[2].str());
  }
  return found;
}

TEST(EnvironmentVariables, AreInTheReadmeAndInTheManualPage) {
  const std::string readme = read_text(fs::path(WAN_SOURCE_DIR) / "README.md");
  const std::string page = man_page(CommandText{}, "0");
  const std::set<std::string> names = variables_in_sources();
  EXPECT_THAT(names, Contains("PYTHONPATH"));
  EXPECT_THAT(names, Contains("WANBENCH_RANGE_PIPE"));
  for (const std::string& name : names) {
    EXPECT_THAT(readme, Says("`" + name + "`"));
    EXPECT_THAT(page, Says(name));
  }
  for (const EnvironmentVariable& variable : environment_variables())
    EXPECT_THAT(names, Contains(std::string(variable.name)));
}

/// A program of one command with every kind of option.
class Declared : public testing::Test {
 protected:
  Declared() : app_("Does things.", "wanbench") {
    CLI::App* make = app_.add_subcommand("make", "Make it: 'now'");
    make->add_option("--kind", text_, "what [kind]")->check(CLI::IsMember({"big", "small"}))->default_str("big");
    make->add_option("--input", text_, "a file")->check(CLI::ExistingFile)->required();
    make->add_flag("-q,--quiet", quiet_, "say \\nothing");
    make->add_option("count", number_, "how many")->check(CLI::Range(1, 9));
    app_.add_subcommand("self", "Of itself")->add_subcommand("test", "Test it");
    app_.add_subcommand("secret", "Not for people")->group("");
  }
  CLI::App app_;
  std::string text_;
  int number_ = 0;
  bool quiet_ = false;
};

TEST_F(Declared, TreeHasWhatPeopleMayUse) {
  const CommandText program = command_tree(app_);
  ASSERT_EQ(program.commands.size(), 2u);
  EXPECT_THAT(program.commands[1].commands.at(0).words, ElementsAre("self", "test"));
  const auto& options = program.commands[0].options;
  ASSERT_EQ(options.size(), 5u);
  EXPECT_EQ(options[0].name, "count");
  EXPECT_EQ(options[0].value, "INT");
  EXPECT_THAT(options[1].flags, ElementsAre("--help", "-h"));
  EXPECT_THAT(options[2].words, ElementsAre("big", "small"));
  EXPECT_EQ(options[2].default_value, "big");
  EXPECT_EQ(options[3].value, "FILE");
  EXPECT_TRUE(options[3].required);
  EXPECT_EQ(options[4].value, "");
}

TEST_F(Declared, ManualPageWritesTextAsText) {
  const std::string page = man_page(command_tree(app_), "1");
  EXPECT_THAT(page, HasSubstr(".SS wanbench make\nMake it: 'now'.\n"));
  EXPECT_THAT(page, HasSubstr(".TP\n\\fB\\-\\-kind\\fR \\fITEXT\\fR\nwhat [kind]: big, small; big unless given\n"));
  EXPECT_THAT(page, HasSubstr("\\fB\\-\\-input\\fR \\fIFILE\\fR\na file; required\n"));
  EXPECT_THAT(page, HasSubstr("say \\enothing\n"));
  EXPECT_THAT(page, Not(Says("secret")));
}

TEST_F(Declared, CompletionsQuoteForTheirShell) {
  const CommandText program = command_tree(app_);
  EXPECT_THAT(zsh_completion(program), Says("'make:Make it: '\\''now'\\'''"));
  EXPECT_THAT(zsh_completion(program), Says("'--kind[what \\[kind\\]]:--kind:(big small)'"));
  EXPECT_THAT(fish_completion(program), Says("-a make -d 'Make it: \\'now\\''"));
  EXPECT_THAT(fish_completion(program), Says("-l kind -x -a 'big small' -d 'what [kind]'"));
  for (const auto& text : {bash_completion(program), zsh_completion(program), fish_completion(program)})
    EXPECT_THAT(text, Not(Says("secret")));
}

class Manual : public CommandLine {
 protected:
  /// What bash offers for the last of `words`, one blank between two.
  std::string completed(const std::string& words) const {
    write_atomically(folder_ / "complete",
                     run("manual bash").output + "COMP_WORDS=(wanbench " + words +
                         ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_wanbench\necho \"${COMPREPLY[*]}\"\n");
    FILE* pipe = popen(("bash " + (folder_ / "complete").string() + " 2>&1").c_str(), "r");
    std::string text;
    for (int c = 0; (c = fgetc(pipe)) != EOF;) text += static_cast<char>(c);
    EXPECT_EQ(pclose(pipe), 0);
    return text.substr(0, text.find('\n'));
  }
};

TEST_F(Manual, BashOffersWhatTheCommandHas) {
  EXPECT_EQ(completed("gen"), "generate");
  EXPECT_EQ(completed("generate --num"), "--num-clips --num-frames");
  EXPECT_EQ(completed("generate --prompt x --solver uni"), "unipc");
  EXPECT_EQ(completed("selftest ov"), "overhead");
  EXPECT_EQ(completed("selftest overhead --pai"), "--pairs");
  EXPECT_EQ(completed("generate --output vid"), "");  // files: the shell's own
  EXPECT_EQ(completed("cas"), "");                    // hidden
}

TEST_F(Manual, PageHasEveryCommandOfTheHelp) {
  const std::string page = run("manual man").output, help = run("--help").output;
  std::istringstream lines(help.substr(help.find("Subcommands:")));
  size_t commands = 0;
  std::string line;
  for (std::getline(lines, line); std::getline(lines, line);) {
    if (!line.starts_with("  ") || line[2] == ' ') continue;
    const std::string name = line.substr(2, line.find(' ', 2) - 2);
    ++commands;
    EXPECT_THAT(page, HasSubstr(".SS wanbench " + std::regex_replace(name, std::regex("-"), "\\-") + "\n"));
  }
  EXPECT_GE(commands, 13u);
  EXPECT_THAT(page, Says("\\fB\\-\\-guidance\\-scale\\fR"));
  EXPECT_EQ(run("manual tcsh").code, static_cast<int>(ExitCode::kUsage));
}

}  // namespace
}  // namespace wan::cli
