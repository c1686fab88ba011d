// What `wanbench run` and `history` read: suites and what is planned from them, the plan of a folder, the index.
#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "pipeline/request_json.h"
#include "results/history.h"
#include "suite/command.h"
#include "suite/plan.h"
#include "suite/stored_plan.h"
#include "targets.h"
#include "temporary_folder.h"

namespace wan::fuzz {
namespace {

/// A database on a disk in memory, which SQLite opens by its name.
class DatabaseFile {
 public:
  DatabaseFile() : descriptor_(::open(path().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {}
  ~DatabaseFile() { ::close(descriptor_); }
  DatabaseFile(const DatabaseFile&) = delete;
  DatabaseFile& operator=(const DatabaseFile&) = delete;

  std::filesystem::path path() const { return folder_ / "history.sqlite"; }
  void fill(Bytes input) const {
    const bool written = ::ftruncate(descriptor_, 0) == 0 &&
                         ::pwrite(descriptor_, input.data(), input.size(), 0) == static_cast<ssize_t>(input.size());
    check(written, "the input could not be written");
  }

 private:
  test::TemporaryFolder folder_;
  int descriptor_;
};

}  // namespace

void suites(Bytes input) {
  const std::string text(text_of(input));
  const size_t first = text.find_first_not_of(" \t\r\n");
  const bool is_json = first != std::string::npos && text[first] == '{';
  const suite::Suite suite = suite::parse_suite(text, is_json ? "fuzz.json" : "fuzz.toml");
  for (const suite::Case& details : suite.cases) {
    const std::string request = request_json(details.request);
    check(read_again([&] { return request_json(request_from_json(request)); }) == request,
          "a request is read as it was written");
  }
  suite::PlanOptions of_command;
  of_command.command = {"sh", "-c", "run {prompt} ${HOME} {width}x{height} {image} {seed}", "{name}", "{output}"};
  suite::plan_cases(suite, of_command);
  suite::PlanOptions of_engine;
  of_engine.random_weights = true;
  of_engine.model = "ti2v-5B";
  of_engine.only = {suite.cases.front().name};
  suite::plan_cases(suite, of_engine);
}

void plan(Bytes input) {
  const suite::StoredPlan stored = suite::read_plan(std::string(text_of(input)));
  // What cannot be read is the plan of no run, which is refused where a reader throws.
  require(!stored.keys.empty(), "no plan");
}

void history(Bytes input) {
  static const DatabaseFile file;
  file.fill(input);
  const History index(file.path());
  HistoryFilter filter;
  index.query(filter);
  filter.case_name = "speed";
  filter.id_prefix = "0";
  filter.since_utc = "2026";
  filter.limit = 3;
  check(index.query(filter).size() <= 3, "a listing is as long as was asked for");
}

}  // namespace wan::fuzz
