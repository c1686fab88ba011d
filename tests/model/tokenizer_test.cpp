#include "model/tokenizer.h"

#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "model/charsmap.h"
#include "model/text_cleaning.h"
#include "temporary_folder.h"

namespace wan {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Ids = std::vector<int32_t>;

const std::string kFolder = WAN_FIXTURES "/mini-ti2v-t2v/google/umt5-xxl";

const std::string& fixture_json() {
  static const std::string text = read_text(kFolder + "/tokenizer.json");
  return text;
}

json patched(const json& patch) { return json::parse(fixture_json()).patch(patch); }

void expect_refused(const std::string& text, const std::string& about) {
  try {
    Tokenizer::from_tokenizer_json(text);
    ADD_FAILURE() << "accepted: " << about;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInput);
    EXPECT_THAT(error.what(), HasSubstr(about));
  }
}

TEST(Tokenizer, GivesOfficialIdsInAllFixtures) {
  for (const std::string fixture : {"mini-ti2v-t2v", "mini-ti2v-i2v", "mini-t2v-moe"}) {
    const std::string folder = WAN_FIXTURES "/" + fixture;
    const Tokenizer tokenizer(folder + "/google/umt5-xxl");
    const json golden = json::parse(read_text(folder + "/golden_tokens.json"));
    ASSERT_GE(golden.size(), 6u);
    for (const json& entry : golden) {
      const Ids ids = tokenizer.encode(clean_prompt(entry.at("text").get<std::string>()));
      EXPECT_EQ(ids.size(), entry.at("length").get<size_t>()) << fixture << entry.at("text");
      Ids want = entry.at("ids").get<Ids>();
      want.resize(entry.at("length").get<size_t>());
      EXPECT_EQ(ids, want) << fixture << entry.at("text");
    }
  }
}

// Expected ids come from Hugging Face's tokenizers: tools/make_tokenizer_cases.py.
TEST(Tokenizer, MatchesFastTokenizerOnEveryVariant) {
  const json all = json::parse(read_text(WAN_SOURCE_DIR "/tests/model/tokenizer_cases.json"));
  size_t compared = 0;
  for (const json& variant : all.at("variants")) {
    const Tokenizer tokenizer = Tokenizer::from_tokenizer_json(patched(variant.at("patch")).dump());
    for (const json& entry : variant.at("cases")) {
      EXPECT_EQ(tokenizer.encode(entry[0].get<std::string>()), entry[1].get<Ids>()) << variant.at("name") << entry[0];
      ++compared;
    }
  }
  EXPECT_GE(compared, 1000u);
}

TEST(Tokenizer, EndsAndTruncates) {
  const Tokenizer tokenizer(kFolder);
  EXPECT_THAT(tokenizer.encode(""), ElementsAre(1));
  const std::string text(5000, 'x');
  const Ids ids = tokenizer.encode(text), short_ids = tokenizer.encode(text, 8);
  EXPECT_EQ(ids.size(), 512u);
  EXPECT_EQ(ids.back(), 1);
  EXPECT_EQ(short_ids.size(), 8u);
  EXPECT_TRUE(std::equal(short_ids.begin(), short_ids.end() - 1, ids.begin()));
  EXPECT_EQ(short_ids.back(), 1);
  EXPECT_THAT(tokenizer.encode("cat", 1), ElementsAre(1));
  EXPECT_THROW(tokenizer.encode("cat", 0), Error);
  EXPECT_THROW(tokenizer.encode("\xff"), Error);
  EXPECT_EQ(tokenizer.id_bound(), 443);
}

TEST(Tokenizer, FallsBackToSentencePiece) {
  const test::TemporaryFolder folder;
  EXPECT_THROW(Tokenizer{folder}, Error);
  std::filesystem::copy_file(kFolder + "/spiece.model", folder / "spiece.model");
  const Tokenizer tokenizer(folder);
  for (const json& entry : json::parse(read_text(WAN_FIXTURES "/mini-ti2v-t2v/golden_tokens.json"))) {
    Ids want = entry.at("sentencepiece_ids").get<Ids>();
    if (want.size() > 511) want.resize(511);
    want.push_back(1);
    EXPECT_EQ(tokenizer.encode(entry.at("text").get<std::string>()), want) << entry.at("text");
  }
  const Ids ids = tokenizer.encode("a<extra_id_0></s>");
  EXPECT_EQ(Ids(ids.end() - 3, ids.end()), (Ids{443 + 299, 1, 1}));
  EXPECT_EQ(tokenizer.id_bound(), 743);
}

TEST(Tokenizer, NamesTheFileThatIsWrong) {
  const test::TemporaryFolder folder;
  std::ofstream(folder / "tokenizer.json") << "{";
  try {
    Tokenizer{folder};
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr((folder / "tokenizer.json").string()));
  }
}

TEST(TokenizerFile, RefusesWhatItCannotRun) {
  const auto patch = [](const std::string& op, const std::string& path, const json& value) {
    return patched(json::array({{{"op", op}, {"path", path}, {"value", value}}})).dump();
  };
  expect_refused("", "not JSON");
  expect_refused("[]", "the file has no member");
  expect_refused("null", "the file has no member");
  expect_refused(fixture_json().substr(0, fixture_json().size() / 2), "not JSON");
  expect_refused(std::string(100, '[') + std::string(100, ']'), "nested deeper");
  expect_refused(patch("replace", "/model/type", "BPE"), "Unigram");
  expect_refused(patch("replace", "/model/unk_id", 443), "model.unk_id");
  expect_refused(patch("replace", "/model/unk_id", -1), "model.unk_id");
  expect_refused(patch("replace", "/model/vocab", json::array()), "model.vocab");
  expect_refused(patch("replace", "/model/vocab", json::object()), "model.vocab");
  expect_refused(patch("replace", "/model/vocab/5", json::array({"x"})), "pairs");
  expect_refused(patch("replace", "/model/vocab/5", json::array({1.0, "x"})), "pairs");
  expect_refused(patch("replace", "/model/vocab/5", json::array({"x", 1.0, 2.0})), "pairs");
  expect_refused(patch("replace", "/model/vocab/5", json::array({json::array({"x", 1.0}), 1.0})), "pairs");
  expect_refused(patch("replace", "/model/vocab/5", json::object({{"x", 1.0}})), "pairs");
  expect_refused(patch("replace", "/model/vocab/5", json::array({"", 1.0})), "0 bytes");
  expect_refused(patch("replace", "/model/vocab/5", json::array({std::string(2000, 'x'), 1.0})), "2000 bytes");
  expect_refused(patch("replace", "/normalizer/normalizers/1/pattern", {{"Regex", "(a+)+$"}}), "regular expression");
  expect_refused(patch("replace", "/normalizer/normalizers/0", {{"type", "Lowercase"}}), "Lowercase");
  expect_refused(patch("replace", "/normalizer/normalizers/0/precompiled_charsmap", "*"), "base64");
  expect_refused(patch("replace", "/normalizer/normalizers/0/precompiled_charsmap", "/////w=="), "character map");
  expect_refused(patch("replace", "/pre_tokenizer", {{"type", "ByteLevel"}}), "Metaspace");
  expect_refused(patch("replace", "/pre_tokenizer", nullptr), "pre_tokenizer");
  expect_refused(patch("replace", "/added_tokens/1/id", 4'000'000'000u), "added_tokens[1].id");
  expect_refused(patch("replace", "/added_tokens/1/content", ""), "added_tokens[1].content");
  expect_refused(patch("replace", "/added_tokens", 3), "added_tokens");
}

TEST(TokenizerFile, UnderstandsOlderSpellings) {
  const json old = patched(json::parse(R"([{"op": "replace", "path": "/pre_tokenizer",
                                            "value": {"type": "Metaspace", "replacement": "▁", "add_prefix_space": true}}])"));
  EXPECT_EQ(Tokenizer::from_tokenizer_json(old.dump()).encode("the cat"), Tokenizer(kFolder).encode("the cat"));
}

// A one-node trie: 256 units, the root's children in the same block; "a" maps to replacement `value`.
std::string small_charsmap(uint32_t root, uint32_t a, uint32_t value, const std::string& replacements) {
  std::vector<uint32_t> units(512, 0);
  units[0] = root;
  units[256 ^ 'a'] = a;
  units[256] = value | 0x80000000u;
  const uint32_t bytes = 2048;
  std::string blob(4 + bytes, '\0');
  std::memcpy(blob.data(), &bytes, 4);
  std::memcpy(blob.data() + 4, units.data(), bytes);
  return blob + replacements;
}

TEST(Charsmap, ChecksTheTrieItWalks) {
  const uint32_t root = 256u << 10;                         // children at 0 ^ 256
  const uint32_t a = 'a' | 0x100u | (uint32_t{'a'} << 10);  // a value at (256 ^ 'a') ^ 'a' = 256
  EXPECT_EQ(Charsmap(small_charsmap(root, a, 0, "zz")).apply("bab"), "bzzb");
  EXPECT_EQ(Charsmap("").apply("bab"), "bab");
  EXPECT_THROW(Charsmap(small_charsmap(root, a, 2, "zz")), Error);                   // value beyond the text
  EXPECT_THROW(Charsmap(small_charsmap(512u << 10, a, 0, "zz")), Error);             // children beyond the trie
  EXPECT_THROW(Charsmap(small_charsmap(root, 'a' | (700u << 10), 0, "zz")), Error);  // grandchildren beyond
  EXPECT_THROW(Charsmap(small_charsmap(root, a, 0, "\xff")), Error);
  EXPECT_THROW(Charsmap(std::string_view("\x01\x00", 2)), Error);
  EXPECT_THROW(Charsmap(small_charsmap(root, a, 0, "zz").substr(0, 1000)), Error);
}

// Damaged files either fail with our error or give a tokenizer that works; run under AddressSanitizer in CI.
template <typename Open>
void survive_damage(const std::string& good, Open open) {
  std::mt19937 random(3);
  int refused = 0;
  for (int round = 0; round < 60; ++round) {
    std::string bad = good;
    if (round % 3 == 0) bad.resize(random() % bad.size());
    for (int i = 0; i < 4 && !bad.empty(); ++i) bad[random() % bad.size()] = static_cast<char>(random());
    try {
      const Tokenizer tokenizer = open(bad);
      for (const int32_t id : tokenizer.encode("a cat, 猫 🐱 ｆｕｌｌ e\u0301 <pad>")) {
        EXPECT_GE(id, 0);
        EXPECT_LT(id, tokenizer.id_bound());
      }
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, 10);
}

TEST(TokenizerFile, SurvivesDamage) {
  survive_damage(fixture_json(), [](const std::string& text) { return Tokenizer::from_tokenizer_json(text); });
}

/// Each step may be harmless: twelve of them would make 10^24 bytes of a letter.
TEST(TokenizerFile, ANormalizerThatGrowsATextWithoutEndIsRefused) {
  json steps = json::array();
  for (int i = 0; i < 12; ++i)
    steps.push_back({{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", std::string(100, 'a')}});
  const json growing = patched(
      {{{"op", "replace"}, {"path", "/normalizer"}, {"value", {{"type", "Sequence"}, {"normalizers", steps}}}}});
  const Tokenizer tokenizer = Tokenizer::from_tokenizer_json(growing.dump());
  EXPECT_THROW(tokenizer.encode("a"), Error);
  EXPECT_NO_THROW(tokenizer.encode("b"));
}

/// The library merges fields that come twice: each character map counts, whatever stands before it.
TEST(SentencePieceModel, EveryCharacterMapIsChecked) {
  const std::string model = read_text(kFolder + "/spiece.model");
  const std::string outside("\x04\0\0\0\0\xFC\xFF\x7F", 8);  // a trie of one unit, whose children lie far behind it
  const auto field = [](const std::string& tag, const std::string& content) {
    return tag + static_cast<char>(content.size()) + content;
  };
  const std::string map = field("\x12", outside), no_map = field("\x12", "");
  for (const std::string& spec :
       {field("\x1A", map), field("\x1A", no_map + map), field("\x1A", "") + field("\x1A", map),
        field("\x9A\x80\x80\x80\x10", map)})  // of the tag the library keeps 32 bits
    EXPECT_THROW(Tokenizer::from_sentencepiece_model(model + spec), Error) << testing::PrintToString(spec);
}

TEST(SentencePieceModel, SurvivesDamage) {
  survive_damage(read_text(kFolder + "/spiece.model"),
                 [](const std::string& text) { return Tokenizer::from_sentencepiece_model(text); });
}

}  // namespace
}  // namespace wan
