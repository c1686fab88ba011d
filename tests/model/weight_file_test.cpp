// Every form in which weights are passed around gives the values that other programs computed for it, bit for bit.
#include "model/weight_file.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "builders.h"
#include "weight_files.h"

namespace wan {
namespace {

namespace fs = std::filesystem;
using test::FileTensors;
using test::Model;
using test::Values;
using ::testing::HasSubstr;

const fs::path kFormats = fs::path(WAN_FIXTURES) / "formats";

const nlohmann::json& digests() {
  static const nlohmann::json root = nlohmann::json::parse(std::ifstream(kFormats / "tensors.json"));
  return root.at("tensors");
}

std::vector<float> values_of(const WeightFile& file, const StoredWeight& weight) {
  std::vector<float> values(static_cast<size_t>(weight.shape.count()));
  file.read(weight, 0, weight.shape.count(), DType::kF32, values.data());
  return values;
}

std::string digest_of(const std::vector<float>& values) {
  return sha256_hex({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
}

/// Names of the weights whose shape or digest is not the fixture's, `case_file` its path there.
std::vector<std::string> differences(const WeightFile& file, const std::string& case_file) {
  const nlohmann::json& expected = digests().at(case_file);
  std::vector<std::string> found;
  if (file.weights().size() != expected.size()) found.push_back("the number of weights");
  for (const StoredWeight& weight : file.weights()) {
    const nlohmann::json& row = expected.at(weight.name);
    const auto extents = weight.shape.extents();
    if (row.at("shape") != nlohmann::json(std::vector<int64_t>(extents.begin(), extents.end())) ||
        row.at("sha256_f32") != digest_of(values_of(file, weight)))
      found.push_back(weight.name);
  }
  return found;
}

/// The same against an official model.
std::vector<std::string> differences(const WeightFile& file, const Model& expected) {
  std::vector<std::string> found;
  if (file.weights().size() != expected.size()) found.push_back("the number of weights");
  for (const StoredWeight& weight : file.weights()) {
    const Values& row = expected.at(weight.name);
    if (!(row.shape == weight.shape) || digest_of(row.values) != digest_of(values_of(file, weight)))
      found.push_back(weight.name);
  }
  return found;
}

const std::vector<std::string> kNone;

class Written {
 public:
  explicit Written(const FileTensors& tensors, const std::map<std::string, std::string>& metadata = {})
      : path_(folder_ / "weights.safetensors") {
    test::write_safetensors(path_, tensors, metadata);
  }
  explicit Written(const test::GgufSpec& spec) : path_(folder_ / "weights.gguf") {
    test::write_file(path_, test::gguf(spec));
  }
  WeightFile open() const { return WeightFile::open(path_); }
  std::string refusal() const {
    return test::refusal([&] { open(); });
  }

 private:
  test::TemporaryFolder folder_;
  fs::path path_;
};

// --- files of the fixtures

std::vector<std::string> files_here() {
  std::vector<std::string> files;
  for (const auto& [file, tensors] : digests().items())
    if (fs::exists(kFormats / file)) files.push_back(file);
  return files;
}

class FixtureFile : public ::testing::TestWithParam<std::string> {};

TEST_P(FixtureFile, HasTheValuesThatOthersComputed) {
  EXPECT_EQ(differences(WeightFile::open(kFormats / GetParam()), GetParam()), kNone);
}

std::string as_test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Formats, FixtureFile, ::testing::ValuesIn(files_here()), as_test_name);

TEST(FixtureFiles, AreAllThere) { EXPECT_GE(files_here().size(), 6u); }

// --- GGUF written here

test::GgufSpec gguf_of(const Model& model, uint32_t other, uint32_t block) {
  return {.keys = {test::gguf_string("general.architecture", "wan")},
          .tensors = test::gguf_tensors(model, other, block)};
}

TEST(WeightFileGguf, Q8_0HasTheValuesThatOthersComputed) {
  const Model& model = test::official(test::kSingle, ModelPart::kDit);
  const WeightFile file = Written(gguf_of(model, test::kGgufBF16, test::kGgufQ8_0)).open();
  EXPECT_EQ(differences(file, "ti2v-gguf/Wan2.2-TI2V-5B-Q8_0.gguf"), kNone);
}

}  // namespace
}  // namespace wan
