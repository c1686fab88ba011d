// A whole suite's run with the fake engine, in a process that a test can kill: fake_suite FOLDER FAKE_ENGINE
// MILLISECONDS. A byte on standard output for everything that a display is told, so that the test knows how far it is.
#include <unistd.h>

#include <string>

#include "fixtures.h"

namespace {

struct Dots final : wan::suite::test::Silent {
  void run_begins(const wan::suite::PlannedCase&, const wan::suite::Job&, int64_t, int64_t) override { dot(); }
  void message(const wan::suite::Message&) override { dot(); }
  void run_ends(const std::vector<wan::RunRecord>&) override { dot(); }
  static void dot() {
    if (::write(STDOUT_FILENO, ".", 1) != 1) _exit(9);
  }
};

}  // namespace

int main(int argc, char** argv) {
  using namespace wan::suite;
  if (argc != 4) return 2;
  const Suite suite = test::small_suite();
  RunOptions options = test::options(argv[1], argv[2], "ok", std::stoi(argv[3]));
  options.if_stored = IfStored::kResume;
  options.repetition.repeats = 2;
  Dots display;
  run_suite(suite, test::planned(suite), options, wan::measure::GpuSet{}, display);
  return 0;
}
