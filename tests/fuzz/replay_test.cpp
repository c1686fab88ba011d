// Every seed and every find of the fuzz targets, by the ordinary compiler: each is read or refused by wan::Error.
#include <algorithm>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "targets.h"

namespace wan::fuzz {
namespace {

namespace fs = std::filesystem;

struct Target {
  const char* name;
  void (*run)(Bytes);
};
void PrintTo(const Target& target, std::ostream* out) { *out << target.name; }

constexpr Target kTargets[] = {
#include "target_rows.inc"
};

/// Of a target that goes on to a report those of its reader.
std::string folder_of(const Target& target) {
  const std::string name = target.name, ending = "_report";
  return name.ends_with(ending) ? name.substr(0, name.size() - ending.size()) : name;
}

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  if (fs::is_directory(folder))
    for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

enum class Answer { kRead, kRefused, kFind };

Answer answer(const Target& target, const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  const std::vector<uint8_t> bytes((std::istreambuf_iterator<char>(stream)), {});
  try {
    target.run(bytes);
    return Answer::kRead;
  } catch (const Error&) {
    return Answer::kRefused;
  } catch (const std::exception& fault) {
    ADD_FAILURE() << file << ": " << fault.what();
    return Answer::kFind;
  }
}

class Replay : public ::testing::TestWithParam<Target> {};

TEST_P(Replay, FindsAreReadOrRefused) {
  const fs::path folder = fs::path(WAN_SOURCE_DIR) / "tests/fuzz/findings" / folder_of(GetParam());
  for (const fs::path& file : files_in(folder)) EXPECT_NE(answer(GetParam(), file), Answer::kFind) << file;
}

#ifdef WAN_FUZZ_SEEDS
/// A seed that is refused would leave a fuzzer at the door.
TEST_P(Replay, SeedsAreRead) {
  const std::vector<fs::path> seeds = files_in(fs::path(WAN_FUZZ_SEEDS) / folder_of(GetParam()));
  ASSERT_FALSE(seeds.empty());
  const auto read = std::count_if(seeds.begin(), seeds.end(),
                                  [](const fs::path& file) { return answer(GetParam(), file) == Answer::kRead; });
  EXPECT_GT(read, 0) << "all " << seeds.size() << " seeds are refused";
}
#endif

INSTANTIATE_TEST_SUITE_P(Targets, Replay, ::testing::ValuesIn(kTargets),
                         [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace wan::fuzz
