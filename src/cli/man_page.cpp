#include "cli/man_page.h"

#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "cli/engine_environment.h"

namespace wan::cli {
namespace {

constexpr std::array kVariables{
    EnvironmentVariable{"KITTY_WINDOW_ID",
                        "by this and TERM `generate --preview` knows a terminal that shows pictures"},
    EnvironmentVariable{"CUDA_VISIBLE_DEVICES",
                        "the cards the program may use, and their order; the driver reads it too"},
    EnvironmentVariable{
        "WANBENCH_CUDA_LIBRARIES",
        "folders of NVIDIA's libraries, looked in before all others; `wanbench doctor` says where it looks"},
    EnvironmentVariable{"VIRTUAL_ENV", "a Python environment whose wheels may hold NVIDIA's libraries"},
    EnvironmentVariable{"PATH", "where programs are; also the Python whose wheels may hold NVIDIA's libraries"},
    EnvironmentVariable{"HOME", "the user's own Python wheels are below it"},
    EnvironmentVariable{"SLURM_ARRAY_JOB_ID",
                        "set by Slurm: the array that a task of `run --launcher slurm` is of, kept in its record"},
    EnvironmentVariable{"GOMP_SPINCOUNT",
                        "how long idle threads of the CPU backend spin; 10000 unless this or OMP_WAIT_POLICY is set"},
    EnvironmentVariable{"OMP_WAIT_POLICY", "whether idle threads of the CPU backend spin at all"},
    EnvironmentVariable{
        "PYTHONPATH",
        "`run --engine command` puts the folder of its Python marks in front of it for the program it measures"},
    EnvironmentVariable{
        "NVTX_INJECTION64_PATH",
        "`run --engine command` sets it for the program it measures, and refuses to replace another tool"},
    EnvironmentVariable{"WANBENCH_RANGE_PIPE", "set for a measured program: the descriptor that takes its ranges"},
    EnvironmentVariable{"WANBENCH_OPENMP_SET", "set across the program's own restart that GOMP_SPINCOUNT needs"},
    EnvironmentVariable{"WANBENCH_RANK_FAULT", "makes a rank of --gpus fail on purpose, to test what becomes of it"},
};

struct ExitText {
  ExitCode code;
  const char* what;
};
constexpr std::array kExitCodes{
    ExitText{ExitCode::kSuccess, "success"},
    ExitText{ExitCode::kFailure, "failed while running; `run`: a case is not ok"},
    ExitText{ExitCode::kUsage, "bad usage or input, refused before work"},
    ExitText{ExitCode::kComparison, "a comparison failed"},
    ExitText{ExitCode::kInconclusive, "inconclusive under --strict"},
    ExitText{ExitCode::kNotComparable, "the things compared are not the same workload"},
    ExitText{ExitCode::kInterrupted, "interrupted by SIGINT"},
    ExitText{ExitCode::kTerminated, "ended by SIGTERM"},
};

/// Text that troff takes for nothing but text.
std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool starts_line = out.empty() || out.back() == '\n';
    if (starts_line && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
  }
  return out;
}

std::string label(const OptionText& option) {
  std::string text;
  for (const std::string& flag : option.flags)
    text += (text.empty() ? "" : ", ") + fmt::format("\\fB{}\\fR", roff(flag));
  if (option.flags.empty()) return fmt::format("\\fI{}\\fR", roff(option.name));
  if (!option.value.empty()) text += fmt::format(" \\fI{}\\fR", roff(option.value));
  return text;
}

std::string option_entry(const OptionText& option) {
  std::string text = fmt::format(".TP\n{}\n{}", label(option), roff(option.description));
  if (!option.words.empty()) text += roff(fmt::format(": {}", fmt::join(option.words, ", ")));
  if (option.required) text += "; required";
  if (!option.default_value.empty()) text += roff(fmt::format("; {} unless given", option.default_value));
  return text + "\n";
}

std::string command_section(const CommandText& command) {
  std::string text = fmt::format(".SS wanbench {}\n{}.\n", roff(fmt::format("{}", fmt::join(command.words, " "))),
                                 roff(command.description));
  for (const OptionText& option : command.options)
    if (option.flags.empty() || option.flags.back() != "-h") text += option_entry(option);
  for (const CommandText& below : command.commands) text += command_section(below);
  return text;
}

std::string entry(std::string_view term, std::string_view what) {
  return fmt::format(".TP\n.B {}\n{}\n", roff(term), roff(what));
}

}  // namespace

std::span<const EnvironmentVariable> environment_variables() { return kVariables; }

std::string man_page(const CommandText& program, const std::string& version) {
  std::string text = fmt::format(
      ".TH WANBENCH 1 \"\" \"wanbench {0}\" \"User Commands\"\n"
      ".SH NAME\nwanbench \\- Wan2.2 video generation, and what it costs on this machine\n"
      ".SH SYNOPSIS\n.B wanbench\n.I command\n[\\fIoptions\\fR]\n"
      ".SH DESCRIPTION\n{1}\n"
      "With no checkpoint named, \\fBwanbench run\\fR takes the small model that comes with the program.\n"
      ".SH OPTIONS\n",
      roff(version), roff(program.description));
  for (const OptionText& option : program.options) text += option_entry(option);
  text += ".SH COMMANDS\nEach also has \\fB\\-\\-help\\fR.\n";
  for (const CommandText& command : program.commands) text += command_section(command);
  text += ".SH EXIT STATUS\n";
  for (const ExitText& exit : kExitCodes) text += entry(std::to_string(static_cast<int>(exit.code)), exit.what);
  text += ".SH ENVIRONMENT\n";
  for (const EnvironmentVariable& variable : kVariables) text += entry(variable.name, variable.what);
  text += roff(fmt::format("Written down with each run where they are set, since libraries read them: {}.\n",
                           fmt::join(recorded_variables(), ", ")))
              .insert(0, ".PP\n");
  return text +
         ".SH FILES\n.TP\n.I share/wanbench\nthe small checkpoint, the tokenizer, the suites and the marks for Python "
         "programs, "
         "found from the folder the program is in\n";
}

}  // namespace wan::cli
