// The whole pipeline on the CPU from every form of weights that tests can write or have in the archive, against what
// the format fixtures' reference computed from the same values. tools/check_formats.py does so for all of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <ostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "format_cases.h"
#include "io/tensor_diff.h"
#include "model/weight_file.h"
#include "pipeline/engine.h"
#include "pipeline/request.h"
#include "temporary_folder.h"
#include "weight_files.h"

namespace wan::test {

void PrintTo(const FormatCase& each, std::ostream* out) { *out << each.name; }

}  // namespace wan::test

namespace wan {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::FormatCase;

// The fixtures' reference is fp32 as the engine is: the same bounds as against the official code's tensors (see
// golden_test.cpp), and more for what has passed all steps.
constexpr double kTensorLimit = 1e-4;
constexpr double kAfterAllSteps = 1e-3;

double limit_of(const std::string& tensor) { return tensor.starts_with("vae.") ? kAfterAllSteps : kTensorLimit; }

/// What the official program was told.
Request golden_request(const std::string& miniature) {
  const auto info = json::parse(std::ifstream(fs::path(WAN_FIXTURES) / miniature / "golden_info.json"));
  Request request;
  request.prompt = info.at("prompt").get<std::string>();
  request.negative_prompt = info.at("negative_prompt").get<std::string>();
  request.width = info.at("size_wh").at(0).get<int64_t>();
  request.height = info.at("size_wh").at(1).get<int64_t>();
  request.num_frames = info.at("frames").get<int64_t>();
  request.steps = info.at("steps").get<int>();
  request.shift = info.at("shift").get<double>();
  const json& guide = info.at("guide");
  request.guidance_low = (guide.is_array() ? guide.at(0) : guide).get<double>();
  if (guide.is_array()) request.guidance_high = guide.at(1).get<double>();
  if (const json& boundary = info.at("boundary"); !boundary.is_null()) request.boundary = boundary.get<double>();
  request.seed = info.at("seed").get<uint64_t>();
  return request;
}

/// The case's files, those that are not in the archive written under `folder`.
void name_weights(Request& request, const FormatCase& each, const fs::path& folder) {
  if (each.is_folder()) {
    request.checkpoint = test::format_file(each.vae, folder);
    return;
  }
  (each.dits.size() == 1 ? request.dit : request.dit_high) = test::format_file(each.dits.front(), folder);
  if (each.dits.size() == 2) request.dit_low = test::format_file(each.dits.back(), folder);
  request.text_encoder = test::format_file(each.text_encoder, folder);
  request.vae = test::format_file(each.vae, folder);
  if (request.text_encoder.extension() == ".gguf" && !test::is_archived(each.text_encoder))  // written without one
    request.tokenizer = fs::path(WAN_FIXTURES) / each.miniature / "google/umt5-xxl";
}

/// As --lora, --lora-high and --lora-low take them.
void name_loras(Request& request, const FormatCase& each) {
  for (const test::FormatLora& lora : each.loras) {
    auto& loras = lora.expert == "high" ? request.lora_high : lora.expert == "low" ? request.lora_low : request.lora;
    loras.push_back(fmt::format("{}={:g}", (test::kFormats / lora.file).string(), lora.strength));
  }
}

std::vector<FormatCase> cases_here() {
  std::vector<FormatCase> cases;
  for (FormatCase& each : test::format_cases())
    if (test::can_be_made(each)) cases.push_back(std::move(each));
  return cases;
}

class Formats : public testing::TestWithParam<FormatCase> {
 protected:
  /// That a DiT written here has the values that the reference was given, if those are not the miniature's own.
  void expect_same_weights() const {
    for (const std::string& path : GetParam().dits)
      if (test::digests().contains(path) && !test::is_archived(path)) {
        const WeightFile written = WeightFile::open(test::format_file(path, folder_.path()));
        EXPECT_EQ(test::differences(written, path), test::kNone);
      }
  }

  const test::TemporaryFolder folder_;
};

TEST_P(Formats, EndToEnd) {
  const FormatCase& each = GetParam();
  Request request = golden_request(each.miniature);
  name_weights(request, each, folder_.path());
  name_loras(request, each);
  expect_same_weights();
  request.device = "cpu";
  request.dump = folder_ / "dump.safetensors";
  request.dump_level = DumpLevel::kBlocks;
  generate(request);

  const TensorFile ours = TensorFile::open(request.dump);
  const DiffResult result = diff_tensors(ours, TensorFile::open(each.expectation), {"", "fp32."});
  EXPECT_TRUE(result.only_b.empty()) << "the dump lacks " << result.only_b.front();
  std::vector<std::string> compared;
  for (const TensorDifference& d : result.common) {
    compared.push_back(d.name);
    EXPECT_FALSE(d.shape_differs) << d.name << ": " << d.shapes;
    EXPECT_FALSE(d.not_finite) << d.name;
    EXPECT_LE(d.relative, limit_of(d.name)) << d.name;
  }
  EXPECT_THAT(compared, testing::IsSupersetOf({"dit.call0.out", "dit.call0.blocks.0.cross_attn", "vae.decode.latent"}));
  if (each.is_golden()) {
    EXPECT_GT(compared.size(), 39u);
  }
}

std::string as_test_name(const testing::TestParamInfo<FormatCase>& each) {
  std::string name = each.param.name;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

/// Where the blocks stay as their file has them, and are expanded in every pass, no bit of the video differs.
TEST_P(Formats, PackedIsResidentByteForByte) {
  const FormatCase& each = GetParam();
  Request request = golden_request(each.miniature);
  name_weights(request, each, folder_.path());
  name_loras(request, each);
  request.device = "cpu";
  request.steps = 1;
  const std::string resident = generate(request).video_sha256;
  request.offload = Offload::kPacked;
  EXPECT_EQ(generate(request).video_sha256, resident);
}

INSTANTIATE_TEST_SUITE_P(Fixtures, Formats, testing::ValuesIn(cases_here()), as_test_name);

/// What is not made here is left to tools/check_formats.py: encoders of these types would be more than the readers.
TEST(FormatCases, OnlySomeOfGgufsTypesAreNotMadeHere) {
  std::vector<std::string> left_out;
  for (const FormatCase& each : test::format_cases())
    if (!test::can_be_made(each)) left_out.push_back(each.name);
  EXPECT_THAT(left_out, testing::UnorderedElementsAre("ti2v-gguf-Q6_K", "ti2v-gguf-Q5_K_M", "ti2v-gguf-Q4_K_M",
                                                      "ti2v-gguf-Q3_K_M", "ti2v-gguf-Q2_K", "ti2v-gguf-Q5_0",
                                                      "ti2v-gguf-Q4_0", "ti2v-gguf-IQ4_NL", "ti2v-gguf-IQ4_XS"));
}

}  // namespace
}  // namespace wan
