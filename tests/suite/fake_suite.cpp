// A whole suite's run with the fake engine, in a process that a test can kill: fake_suite FOLDER FAKE_ENGINE
// MILLISECONDS
#include <string>

#include "fixtures.h"

int main(int argc, char** argv) {
  using namespace wan::suite;
  if (argc != 4) return 2;
  const Suite suite = test::small_suite();
  RunOptions options = test::options(argv[1], argv[2], "ok", std::stoi(argv[3]));
  options.if_stored = IfStored::kResume;
  options.repetition.repeats = 2;
  test::Silent display;
  run_suite(suite, test::planned(suite), options, wan::measure::GpuSet{}, display);
  return 0;
}
