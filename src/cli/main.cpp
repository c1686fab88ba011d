// Entry point: one command line, one place that turns errors into messages and exit codes.
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <filesystem>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/build_info.h"
#include "base/log.h"
#include "cli/commands.h"

namespace {

std::string version_text() {
  const wan::BuildInfo& build = wan::build_info();
  return fmt::format("wanbench {} ({}{}), {}, {}, CUDA {}", build.version, build.revision,
                     build.dirty ? ", changed" : "", build.compiler, build.build_type,
                     build.cuda.empty() ? "not built in" : build.cuda);
}

/// Threads that have done their part of a parallel loop wait by spinning, with GNU OpenMP's default for milliseconds,
/// and so keep the cores from whoever still works, this program's own threads among them. The runtime reads its
/// settings before main: they are put into the environment and the program starts itself once more, unless the user has
/// set any.
void spin_briefly(char** argv) {
  if (std::getenv("GOMP_SPINCOUNT") != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error || setenv("GOMP_SPINCOUNT", "10000", 1) != 0) return;
  execv(program.c_str(), argv);  // where this fails, all goes on as it was
}

}  // namespace

int main(int argc, char** argv) {
  using namespace wan;
  spin_briefly(argv);
  CLI::App app("Generates video with Wan2.2 natively, and measures what it costs on this machine.", "wanbench");
  app.set_version_flag("--version", version_text());
  app.require_subcommand(1);
  ExitCode result = ExitCode::kSuccess;
  cli::add_generate_command(app, result);
  cli::add_tune_command(app, result);
  cli::add_diff_command(app, result);
  cli::add_inspect_command(app, result);
  cli::add_compare_command(app, result);
  cli::add_history_command(app, result);
  cli::add_export_command(app, result);
  cli::add_import_command(app, result);
  cli::add_run_command(app, result);
  cli::add_case_command(app, result);
  cli::add_report_command(app, result);
  cli::add_doctor_command(app, result);
  cli::add_selftest_command(app, result);
  cli::add_make_checkpoint_command(app, result);
  cli::add_pack_command(app, result);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& request) {
    return app.exit(request);
  } catch (const CLI::CallForAllHelp& request) {
    return app.exit(request);
  } catch (const CLI::CallForVersion& request) {
    return app.exit(request);
  } catch (const CLI::ParseError& problem) {
    log::error(problem.what());
    log::info("run with --help for the options");
    return static_cast<int>(ExitCode::kUsage);
  } catch (const Error& problem) {
    log::error(problem.what());
    return static_cast<int>(exit_code(problem.kind()));
  } catch (const std::exception& problem) {
    log::error(problem.what());
    return static_cast<int>(ExitCode::kFailure);
  }
  return static_cast<int>(result);
}
