// Entry point: one command line, one place that turns errors into messages and exit codes.
#include <exception>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/build_info.h"
#include "base/log.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/openmp_settings.h"
#include "cli/signals.h"
#include "cli/unknown_words.h"

namespace {

std::string version_text() {
  const wan::BuildInfo& build = wan::build_info();
  return fmt::format("wanbench {} ({}{}), {}, {}, CUDA {}", build.version, build.revision,
                     build.dirty ? ", changed" : "", build.compiler, build.build_type,
                     build.cuda.empty() ? "not built in" : build.cuda);
}

/// Whether the path itself is at fault.
bool of_its_name(const std::error_code& code) {
  return code == std::errc::filename_too_long || code == std::errc::too_many_symbolic_link_levels ||
         code == std::errc::not_a_directory;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace wan;
  if (argc > 1 && cli::answers_signals(argv[1])) cli::hold_signals();
  cli::restart_with_openmp_settings(argv);
  CLI::App app("Generates video with Wan2.2 natively, and measures what it costs on this machine.", "wanbench");
  app.set_version_flag("--version", version_text());
  ExitCode result = ExitCode::kSuccess;
  cli::add_commands(app, result);
  try {
    try {
      app.parse(argc, argv);
    } catch (const CLI::Success& request) {  // --help, --version
      app.exit(request);
    }
    finish_output();
  } catch (const CLI::ParseError& problem) {
    log::error(cli::unknown_word(app, {argv + 1, argv + argc}).value_or(problem.what()));
    log::info("run with --help for the options");
    return static_cast<int>(ExitCode::kUsage);
  } catch (const Error& problem) {
    log::error(problem.what());
    return static_cast<int>(exit_code(problem.kind()));
  } catch (const std::filesystem::filesystem_error& problem) {  // a path that no file system has, mostly
    log::error(fmt::format("{}: {}", problem.path1().string(), problem.code().message()));
    return static_cast<int>(of_its_name(problem.code()) ? ExitCode::kUsage : ExitCode::kFailure);
  } catch (const std::exception& problem) {
    log::error(problem.what());
    return static_cast<int>(ExitCode::kFailure);
  }
  return static_cast<int>(result);
}
