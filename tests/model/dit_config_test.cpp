// config.json of a DiT: what its numbers may be beside the tensors of the golden miniature.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "model/dit_identity.h"
#include "model/official_layout.h"
#include "temporary_folder.h"

namespace wan {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

const std::filesystem::path kMiniature = std::filesystem::path(WAN_FIXTURES) / "mini-ti2v-t2v";

class DitConfigFile : public testing::Test {
 protected:
  DitConfig read(const std::string& text) {
    write_atomically(folder_ / "config.json", text);
    return identify_dit(file_, folder_ / "config.json").config;
  }
  std::string refusal(const std::string& text) {
    try {
      read(text);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput);
      return error.what();
    }
    return "accepted";
  }
  std::string refusal_with(const char* key, const Json& value) {
    Json changed = official_;
    changed[key] = value;
    return refusal(changed.dump());
  }

  const test::TemporaryFolder folder_;
  const WeightFile file_ = WeightFile::open(kMiniature / kDitIndexName);
  const Json official_ = Json::parse(read_text(kMiniature / "config.json"));
};

TEST_F(DitConfigFile, NumbersOfNonsenseAreRefusedByName) {
  const std::pair<const char*, Json> cases[] = {{"eps", -1.0},
                                                {"eps", 0},
                                                {"eps", 1e308},
                                                {"eps", "1e-6"},
                                                {"eps", 0.5},
                                                {"text_len", 0},
                                                {"text_len", 511},
                                                {"text_len", -512},
                                                {"text_len", 1e9},
                                                {"text_len", 512.5},
                                                {"num_heads", 0},
                                                {"num_heads", -2},
                                                {"num_heads", 1.5},
                                                {"num_heads", true},
                                                {"num_heads", 4294967298},
                                                {"freq_dim", 0},
                                                {"freq_dim", 255},
                                                {"freq_dim", -256},
                                                {"freq_dim", Json::array({256})},
                                                {"freq_dim", 9223372036854775807},
                                                {"dim", -256},
                                                {"dim", 128},
                                                {"ffn_dim", 1},
                                                {"in_dim", 16},
                                                {"out_dim", 47},
                                                {"num_layers", 1000},
                                                {"num_layers", 0.5},
                                                {"model_type", 5},
                                                {"model_type", ""}};
  for (const auto& [key, value] : cases)
    EXPECT_THAT(refusal_with(key, value),
                AllOf(HasSubstr("config.json"), HasSubstr(key), Not(HasSubstr("::")), Not(HasSubstr("json.exception"))))
        << value;
  EXPECT_EQ(refusal(official_.dump()), "accepted");
  EXPECT_EQ(refusal_with("eps", 1e-5), "accepted");
  EXPECT_EQ(refusal_with("_class_name", 7), "accepted") << "not ours to judge";
}

TEST_F(DitConfigFile, SizesThatItLeavesOutAreThoseOfTheTensors) {
  const Json least{{"model_type", official_.at("model_type")}, {"num_heads", official_.at("num_heads")}};
  EXPECT_EQ(read(least.dump()), read(official_.dump()));
  EXPECT_THAT(refusal(R"({"model_type": "ti2v"})"), HasSubstr("num_heads"));
}

TEST_F(DitConfigFile, OtherDocumentsAreRefused) {
  for (const char* text : {"", "[]", "5", "{", "{}"}) EXPECT_THAT(refusal(text), HasSubstr("config.json")) << text;
  EXPECT_EQ(refusal("\xEF\xBB\xBF" + official_.dump()), "accepted");
}

}  // namespace
}  // namespace wan
