#include "suite/command.h"

#include <poll.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/subprocess.h"

namespace wan::suite {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Case with_prompt(const std::string& prompt) {
  Case details;
  details.name = "a case";
  details.request.prompt = prompt;
  details.request.width = 32;
  details.request.height = 16;
  return details;
}

ExpandedCommand expanded(const std::string& text, const std::string& prompt = "x") {
  return expand_command({"sh", "-c", text}, with_prompt(prompt), "/o/x.mp4");
}

std::string refusal(const std::string& text, const std::string& prompt = "x") {
  try {
    expanded(text, prompt);
    return "";
  } catch (const Error& problem) {
    EXPECT_EQ(problem.kind(), ErrorKind::kUsage);
    return problem.what();
  }
}

/// What the shell makes of it.
std::string said(const std::string& text, const std::string& prompt) {
  const ExpandedCommand command = expanded(text, prompt);
  SpawnOptions spawn;
  spawn.argv = command.argv;
  spawn.environment = command.environment;
  Subprocess child(spawn);
  std::string all;
  while (read_available(child.out(), all)) {
    pollfd wait{child.out().get(), POLLIN, 0};
    ::poll(&wait, 1, -1);
  }
  child.wait();
  return all;
}

TEST(Command, AValueOfTheCaseIsAVariableOfTheEnvironment) {
  const ExpandedCommand command =
      expanded("gen --size {width}x{height} -p {prompt} -o {output} {{}} awk '{ print }' ${steps}", "it's a cat");
  EXPECT_EQ(command.argv[2],
            "gen --size \"${WANBENCH_WIDTH}\"x\"${WANBENCH_HEIGHT}\" -p \"${WANBENCH_PROMPT}\" "
            "-o \"${WANBENCH_OUTPUT}\" {{}} awk '{ print }' ${steps}");
  EXPECT_EQ(command.environment.at("WANBENCH_PROMPT"), "it's a cat");
  EXPECT_EQ(command.environment.at("WANBENCH_WIDTH"), "32");
  EXPECT_EQ(command.environment.at("WANBENCH_OUTPUT"), "/o/x.mp4");
  EXPECT_FALSE(command.environment.contains("WANBENCH_SEED")) << "nobody asks for it";
  EXPECT_THAT(refusal("{promt}"), HasSubstr("{promt}"));
}

TEST(Command, NoValueIsReadByTheShell) {
  for (const std::string prompt :
       {"a $(echo pwned) b", "`echo pwned`", "'; echo pwned; '", "\"; echo pwned; \"", "x\necho pwned\n",
        "$HOME * ~ \\", "a  b\tc", "-n", "${WANBENCH_NAME}", "{name} {output}", ""}) {
    EXPECT_EQ(said("printf '<%s>' {prompt} end", prompt), "<" + prompt + "><end>");
    EXPECT_EQ(said("printf '<%s>' a={prompt}", prompt), "<a=" + prompt + ">");
    EXPECT_EQ(said("printf '<%s>' \"a $WANBENCH_PROMPT b\"", prompt), "<a " + prompt + " b>");
    EXPECT_EQ(said("echo \"it's\" '\"' >/dev/null; printf '<%s>' {prompt}", prompt), "<" + prompt + ">");
  }
}

TEST(Command, APlaceholderInsideQuotesIsRefused) {
  for (const char* text :
       {"echo \"{prompt}\"", "echo '{prompt}'", "echo \"a {prompt} b\"", "echo \"$(gen {prompt})\"",
        "sh -c 'gen {prompt}'", "echo \"it's\" '\"{prompt}\"'", "echo \\{prompt}", "echo \"\\\"{prompt}\"",
        "echo \"`gen {prompt}`\"", "cat <<END\n{prompt}\nEND\n", "sh <<END\ngen {prompt}\nEND\n", "cat <<< {prompt}"})
    EXPECT_THAT(refusal(text), HasSubstr("$WANBENCH_PROMPT")) << text;
  for (const char* text :
       {"echo \"a\" {prompt} 'b'", "echo \\\"{prompt}\\\"", "echo a#b {prompt}", "echo 'a'{prompt}\"b\"",
        "# it's a comment\necho {prompt}", "echo `gen {prompt}` $(gen {prompt})", "gen <{prompt}"})
    EXPECT_EQ(refusal(text), "") << text;
}

TEST(Command, ACommentIsNoPlaceForAValue) { EXPECT_EQ(said("printf a # {prompt}\nprintf b", "x\nprintf c\n"), "ab"); }

TEST(Command, WithoutAShellAValueIsAWordAsItIs) {
  const ExpandedCommand command =
      expand_command({"/opt/gen", "-p={prompt}", "\"{width}\"", "${name}"}, with_prompt("it's $HOME"), "o");
  EXPECT_THAT(command.argv, ElementsAre("/opt/gen", "-p=it's $HOME", "\"32\"", "$a case"));
  EXPECT_THAT(command.environment, IsEmpty());
}

TEST(Command, ANulIsRefused) { EXPECT_THAT(refusal("gen {prompt}", std::string("a\0b", 3)), HasSubstr("NUL")); }

}  // namespace
}  // namespace wan::suite
