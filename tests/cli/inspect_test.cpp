// What `inspect` says: of models with what they need here, of DiTs that are named alone, of LoRAs; in 80 columns.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/terminal.h"
#include "cli/needs_here.h"
#include "command_line.h"
#include "layouts.h"
#include "weight_files.h"

namespace wan {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::Ended;
using test::FileTensors;
using test::kPair;
using test::kSingle;
using test::Says;
using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kHigh = "models/diffusion_models/wan2.2_t2v_high_noise_14B_bf16.safetensors";
constexpr const char* kLow = "models/diffusion_models/wan2.2_t2v_low_noise_14B_bf16.safetensors";
constexpr const char* kAlone = "models/diffusion_models/wan2.2_ti2v_5B_bf16.safetensors";
constexpr const char* kEncoder = "models/text_encoders/umt5_xxl_bf16.safetensors";
constexpr const char* kVae = "models/vae/wan_vae.safetensors";

class Inspect : public test::CommandLine {
 protected:
  json document(const std::string& arguments) const {
    const Ended ended = run("inspect --json " + arguments);
    EXPECT_EQ(ended.code, 0) << ended.output;
    json found = json::parse(ended.output, nullptr, false);
    EXPECT_FALSE(found.is_discarded()) << ended.output;
    return found.is_discarded() ? json::object() : found;
  }
  /// A miniature by a short name, so that its paths leave room in a line.
  void link(const fs::path& target, const std::string& name) const {
    fs::create_directory_symlink(target, folder_ / name);
  }
  /// A LoRA of one pair of rank 1 for a layer of this width.
  void write_lora(const std::string& name, int64_t width, int block = 0,
                  const std::string& module = "self_attn.q") const {
    const std::string layer = "diffusion_model.blocks." + std::to_string(block) + "." + module + ".";
    const std::vector<float> ones(static_cast<size_t>(width), 1);
    const FileTensors tensors{test::stored(layer + "lora_A.weight", {{1, width}, ones}, DType::kBF16),
                              test::stored(layer + "lora_B.weight", {{width, 1}, ones}, DType::kBF16)};
    fs::create_directories((folder_ / name).parent_path());
    test::write_safetensors(folder_ / name, tensors);
  }
};

json fit_of(const json& lora, const std::string& model) {
  for (const json& each : lora.at("models"))
    if (each.at("model") == model) return each;
  ADD_FAILURE() << model;
  return {};
}

std::string too_long(const std::string& text) {
  std::string found;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (line.size() > 80) found += line + "\n";
  return found;
}

TEST_F(Inspect, EveryFormFitsEightyColumns) {
  std::vector<std::string> forms;
  for (const char* miniature : {"mini-ti2v-t2v", "mini-ti2v-i2v", "mini-t2v-moe"}) {
    link(fs::path(WAN_FIXTURES) / miniature, miniature);
    forms.emplace_back(miniature);
  }
  test::write_diffusers(kSingle, folder_ / "d1");
  test::write_diffusers(kPair, folder_ / "d2");
  test::write_comfy(kSingle, folder_ / "c1");
  test::write_comfy(kPair, folder_ / "c2");
  test::write_comfy(kSingle, folder_ / "g1", true);
  test::write_comfy(kPair, folder_ / "g2", true);
  for (const char* form : {"d1", "d2", "c1", "c2", "g1", "g2"}) forms.emplace_back(form);
  forms.emplace_back("c2/diffusion_models/wan2.2_t2v_high_noise_14B_bf16.safetensors");
  fs::copy(folder_ / "c2/diffusion_models", folder_ / "lone");
  forms.emplace_back("lone/wan2.2_t2v_low_noise_14B_bf16.safetensors");
  link(test::kFormats, "f");
  for (const char* lora : {"ti2v-lora", "moe-lora"})
    for (const auto& entry : fs::directory_iterator(test::kFormats / lora))
      forms.push_back(std::string("f/") + lora + "/" + entry.path().filename().string());
  fs::copy(checkpoint(), folder_ / "carded", fs::copy_options::recursive);
  std::string words = "---\nlicense: of words, and words, and words, and words, and words, and words, and words\n---\n";
  for (int i = 0; i < 100; ++i) words += "word ";
  write_atomically(folder_ / "carded/README.md", words + "\n\n  - " + words);
  forms.emplace_back("carded");
  for (const std::string& form : forms) {
    const Ended ended = run("inspect " + form);
    EXPECT_EQ(ended.code, 0) << form << ended.output;
    EXPECT_EQ(too_long(ended.output), "") << form;
    EXPECT_THAT(ended.output, HasSubstr("\n  wanbench generate ")) << form;
  }
}

TEST_F(Inspect, SaysWhatTheModelsOwnVideoNeeds) {
  const json found = document(checkpoint());
  const json machine = found.at("machine"), needs = found.at("needs");
  ASSERT_EQ(needs.size(), 4u);
  std::vector<std::string> places;
  for (const json& need : needs)
    places.push_back(need.at("device_kind").get<std::string>() + " " + need.at("precision").get<std::string>() + " " +
                     need.at("residency").get<std::string>());
  EXPECT_THAT(places, ElementsAre("cuda bf16 resident", "cuda bf16 stream", "cuda bf16 mapped", "cpu fp32 resident"));
  const bool has_card = !machine.at("card").at("value").is_null();
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_GT(needs[i].at("device_bytes").at("value"), 0) << i;
    EXPECT_GT(needs[i].at("host_bytes"), 0) << i;
    EXPECT_EQ(needs[i].at("fits").at("value").is_boolean(), has_card) << "without a card it is not known";
  }
  EXPECT_EQ(needs[3].at("device_bytes"), json({{"value", nullptr}, {"reason", "no_memory_of_its_own"}}));
  EXPECT_GT(needs[3].at("host_bytes"), 0);
  EXPECT_TRUE(needs[3].at("fits").at("value").is_boolean());
  EXPECT_GE(machine.at("host_total_bytes"), machine.at("host_available_bytes"));
  const std::string text = run("inspect " + checkpoint()).output;
  EXPECT_THAT(text, AllOf(HasSubstr("GPU, bf16   resident"), HasSubstr("GPU, bf16   streamed"),
                          HasSubstr("GPU, bf16   mapped"), HasSubstr("CPU, fp32   resident"), Says("host: ")));
  EXPECT_THAT(text, Says(has_card ? " GiB free" : "not known: no card"));
}

/// What is printed and the document, for a machine with a card.
std::pair<std::string, json> told(const cli::NeedsHere& needs) {
  cli::OrderedJson document;
  cli::put_needs(document, needs);
  testing::internal::CaptureStdout();
  cli::print_needs(needs);
  finish_output();
  return {testing::internal::GetCapturedStdout(), json::parse(document.dump())};
}

TEST(NeedsHere, HoldTheCardAndTheHostAgainstEachPlace) {
  constexpr uint64_t kGiB = uint64_t{1} << 30;
  Request request;
  request.random_weights = true;
  request.model = "ti2v-5B";
  const ModelSet models = open_models(request);
  cli::MachineHere machine;
  machine.card = cli::CardHere{"A card of a name", 11 * kGiB, 24 * kGiB, HistoryMemory::kApart};
  machine.host_free = 12 * kGiB;
  machine.host_total = 16 * kGiB;
  const auto [text, document] = told(cli::needs_here(models, machine));
  EXPECT_EQ(document.at("machine").at("card").at("value"), "A card of a name");
  EXPECT_EQ(document.at("machine").at("card_free_bytes").at("value"), 11 * kGiB);
  const json needs = document.at("needs");
  ASSERT_EQ(needs.size(), 4u);
  EXPECT_EQ(needs[0].at("fits"), json({{"value", false}, {"reason", "of the card's memory 11.0 GiB are free"}}));
  EXPECT_EQ(needs[1].at("fits").at("value"), false) << "its weights and the rest of the host";
  EXPECT_THAT(needs[1].at("fits").at("reason").get<std::string>(), Says("4.0 GiB of it are left"));
  EXPECT_EQ(needs[2].at("fits"), json({{"value", true}}));
  EXPECT_EQ(needs[3].at("fits").at("value"), false) << "20 GiB in fp32";
  EXPECT_EQ(too_long(text), "");
  EXPECT_THAT(text, AllOf(Says("card: A card of a name, 11.0 of 24.0 GiB free"), HasSubstr("  no: of the card's"),
                          HasSubstr("  yes\n")));
  machine.host_free = 16 * kGiB;
  machine.card->free_bytes = 24 * kGiB;
  const json enough = told(cli::needs_here(models, machine)).second.at("needs");
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(enough[i].at("fits").at("value"), true) << i;
}

/// Of one size and length both say the same.
TEST_F(Inspect, TheNeedIsWhatGenerateExpects) {
  const double bytes = document(checkpoint()).at("needs")[3].at("host_bytes").get<double>();
  const Ended ended =
      run("generate --yes --device cpu --steps 1 --discard --prompt x --size 96x64 --num-frames 5 "
          "--checkpoint " +
          checkpoint());
  ASSERT_EQ(ended.code, 0) << ended.output;
  fs::copy(checkpoint(), folder_ / "own", fs::copy_options::recursive);
  write_atomically(folder_ / "own/wanbench.json",
                   R"({"schema":"wanbench.checkpoint","format":1,"defaults":{"width":96,"height":64,"num_frames":5}})");
  const double small = document("own").at("needs")[3].at("host_bytes").get<double>();
  EXPECT_LT(small, bytes) << "of a smaller video";
  char expected[32];
  std::snprintf(expected, sizeof expected, "%.1f GiB of host memory", small / (1 << 30));
  EXPECT_THAT(ended.output, Says(expected));
}

TEST_F(Inspect, ShowsTheCheckpointsOwnRecipe) {
  EXPECT_EQ(document(checkpoint()).at("defaults").at("recipe"), "official");
  EXPECT_EQ(document(checkpoint()).at("defaults").at("said_by"), "model");
  fs::copy(checkpoint(), folder_ / "own", fs::copy_options::recursive);
  const auto say = [&](const std::string& defaults) {
    write_atomically(folder_ / "own/wanbench.json",
                     R"({"schema":"wanbench.checkpoint","format":1,"defaults":)" + defaults + "}");
  };
  say(R"({"recipe":"fastwan-3","width":96,"height":64})");
  const json own = document("own").at("defaults");
  EXPECT_EQ(own.at("recipe"), "fastwan-3");
  EXPECT_EQ(own.at("steps"), 3);
  EXPECT_EQ(own.at("guidance_low"), 1.0);
  EXPECT_EQ(own.at("width"), 96);
  EXPECT_EQ(own.at("said_by"), "wanbench.json");
  EXPECT_THAT(run("inspect own").output, AllOf(Says("recipe: fastwan-3, 3 steps of FastWan"),
                                               Says("said by wanbench.json"), Says(", 3 steps, shift 5")));
  say(R"({"width":100,"height":64})");
  const Ended refused = run("inspect own");
  EXPECT_EQ(refused.code, static_cast<int>(ExitCode::kUsage));
  EXPECT_THAT(refused.output, Says("100x64"));
}

TEST_F(Inspect, SaysPlainlyWhatHasNoScales) {
  const std::string text = run("inspect " + checkpoint()).output;
  EXPECT_THAT(text, AllOf(Says("weights without scales"), Not(Says("plain of"))));
}

TEST_F(Inspect, ADitAloneIsToldWithWhatLiesAroundIt) {
  test::write_comfy(kPair, folder_ / "models");
  const json found = document(kHigh);
  EXPECT_TRUE(found.at("missing").empty()) << found.at("missing");
  EXPECT_EQ(found.at("found").size(), 3u);
  EXPECT_EQ(found.at("components").size(), 4u);
  EXPECT_EQ(found.at("generate"), std::string("wanbench generate --dit-high ") + kHigh + " --dit-low " + kLow +
                                      " --text-encoder " + kEncoder + " --vae " + kVae + " --prompt TEXT");
  EXPECT_EQ(document(std::string("--dit-low ") + kLow).at("generate"), found.at("generate"));
  const std::string line = found.at("generate").get<std::string>().substr(std::string("wanbench ").size());
  const Ended made = run(line + " --device cpu --size 96x64 --num-frames 5 --steps 1 --discard");
  EXPECT_EQ(made.code, 0) << "the line is one to type: " << made.output;
  EXPECT_THAT(run(std::string("inspect ") + kHigh).output,
              AllOf(Says("found around it: VAE: models/vae/wan_vae.safetensors, the only VAE that fits in"),
                    Says("--vae models/vae/wan_vae.safetensors")));
}

TEST_F(Inspect, ADitAloneSaysWhatItLacks) {
  test::write_comfy(kSingle, folder_ / "models");
  fs::remove(folder_ / kVae);
  fs::copy_file(folder_ / kEncoder, folder_ / "models/text_encoders/again.safetensors");
  const json found = document(kAlone);
  ASSERT_EQ(found.at("missing").size(), 2u);
  EXPECT_EQ(found.at("missing")[0].at("flag"), "--text-encoder");
  EXPECT_THAT(found.at("missing")[0].at("why").get<std::string>(),
              AllOf(Says("2 are in models"), Says("again.safetensors")));
  EXPECT_EQ(found.at("missing")[1].at("flag"), "--vae");
  EXPECT_EQ(found.at("generate"),
            std::string("wanbench generate --checkpoint ") + kAlone + " --text-encoder FILE --vae FILE --prompt TEXT");
  EXPECT_EQ(found.at("model"), "ti2v-256x2");
  EXPECT_EQ(found.at("text_encoder"), nullptr);
  EXPECT_EQ(found.at("needs").size(), 4u);
  EXPECT_THAT(run(std::string("inspect ") + kAlone).output,
              AllOf(Says("missing: the VAE: no VAE that fits is in models; name it with --vae"), Says("--vae FILE")));
  const json named = document(std::string(kAlone) + " --text-encoder " + kEncoder);
  EXPECT_EQ(named.at("missing").size(), 1u);
  EXPECT_EQ(named.at("components").size(), 2u);
}

TEST_F(Inspect, AnExpertWhoseNameSaysNothingIsAskedFor) {
  test::write_comfy(kPair, folder_ / "models");
  fs::rename(folder_ / kHigh, folder_ / "models/diffusion_models/first.safetensors");
  const json found = document("models/diffusion_models/first.safetensors");
  ASSERT_EQ(found.at("missing").size(), 1u);
  EXPECT_EQ(found.at("missing")[0].at("flag"), "--dit-high or --dit-low");
  EXPECT_THAT(found.at("generate").get<std::string>(), Says("generate --dit-high FILE --dit-low FILE --text-encoder"));
}

TEST_F(Inspect, ALoraSaysWhichModelsItFits) {
  write_lora("loras/one.safetensors", 3072);
  const json found = document("loras/one.safetensors");
  EXPECT_EQ(found.at("kind"), "lora");
  EXPECT_EQ(found.at("width").at("value"), 3072);
  EXPECT_EQ(found.at("blocks").at("value"), 1);
  EXPECT_EQ(found.at("pairs_by_rank").at("value"), json({{"1", 1}}));
  EXPECT_EQ(found.at("differences").at("value"), 0);
  EXPECT_EQ(found.at("experts").at("value"), json({"all"}));
  EXPECT_EQ(found.at("expert_by_name").at("value"), nullptr);
  EXPECT_EQ(found.at("stored_percent"), json({{"BF16", 100.0}}));
  EXPECT_EQ(found.at("bytes"), fs::file_size(folder_ / "loras/one.safetensors"));
  EXPECT_FALSE(found.at("digest").at("value").get<std::string>().empty());
  const json fit = fit_of(found, "ti2v-5B");
  EXPECT_EQ(fit.at("fits").at("value"), true);
  EXPECT_EQ(fit.at("applied"), 2);
  EXPECT_EQ(fit.at("unmatched"), 0);
  EXPECT_EQ(fit.at("generate"), "wanbench generate --checkpoint FOLDER --lora loras/one.safetensors --prompt TEXT");
  const json other = fit_of(found, "t2v-A14B");
  EXPECT_EQ(other.at("fits").at("value"), false);
  EXPECT_THAT(other.at("fits").at("reason").get<std::string>(), Says("5120"));
  EXPECT_FALSE(other.contains("generate"));
  const std::string text = run("inspect loras/one.safetensors").output;
  EXPECT_THAT(text, AllOf(Says("ti2v-5B: fits: 2 tensors applied, 0 ignored, 0 unmatched"),
                          Says("t2v-A14B: does not fit: "), Says("changes: 1 pair of rank 1"),
                          HasSubstr("to add it to ti2v-5B:\n  wanbench generate --checkpoint FOLDER")));
}

TEST_F(Inspect, ALoraOfAnExpertIsNamedWithItsCounterpart) {
  write_lora("style_high.safetensors", 5120);
  const auto line = [&](const std::string& model) {
    return fit_of(document("style_high.safetensors"), model).at("generate").get<std::string>();
  };
  EXPECT_EQ(document("style_high.safetensors").at("expert_by_name").at("value"), "high_noise");
  EXPECT_EQ(line("t2v-A14B"), "wanbench generate --checkpoint FOLDER --lora-high style_high.safetensors --prompt TEXT");
  write_lora("t2v_4steps_lora_high_noise.safetensors", 5120);
  EXPECT_EQ(fit_of(document("t2v_4steps_lora_high_noise.safetensors"), "t2v-A14B").at("generate"),
            "wanbench generate --checkpoint FOLDER --lora-high t2v_4steps_lora_high_noise.safetensors "
            "--recipe lightning-4 --prompt TEXT");
  write_lora("style_low.safetensors", 5120);
  EXPECT_THAT(line("i2v-A14B"), HasSubstr("--lora-high style_high.safetensors --lora-low style_low.safetensors "
                                          "--image FILE --prompt TEXT"));
}

// By what it changes: others of that width say nothing of a model that attends to a picture.
TEST_F(Inspect, ALoraOfAPicturesKeysFitsTheModelThatHasThem) {
  write_lora("light.safetensors", 5120, 3, "cross_attn.k_img");
  EXPECT_EQ(fit_of(document("light.safetensors"), "animate-14B").at("generate"),
            "wanbench generate --checkpoint FOLDER --lora light.safetensors --animate-inputs DIR");
  write_lora("plain.safetensors", 5120);
  for (const json& each : document("plain.safetensors").at("models")) EXPECT_NE(each.at("model"), "animate-14B");
}

TEST_F(Inspect, ALoraOfAnotherSizeIsReadAgainstItsOwn) {
  for (const auto& entry : fs::directory_iterator(test::kFormats / "ti2v-lora")) {
    const json found = document(entry.path().string());
    EXPECT_EQ(found.at("width").at("value"), 256) << entry;
    EXPECT_EQ(found.at("blocks").at("value"), 2) << entry;
    EXPECT_FALSE(found.at("digest").at("value").is_null()) << found.at("digest");
    EXPECT_FALSE(found.at("pairs_by_rank").at("value").empty()) << entry;
    for (const json& fit : found.at("models")) EXPECT_EQ(fit.at("fits").at("value"), false) << entry;
  }
  write_lora("deep.safetensors", 640, 50);
  EXPECT_EQ(document("deep.safetensors").at("blocks").at("value"), 51);
  EXPECT_EQ(document("deep.safetensors").at("pairs_by_rank").at("value"), json({{"1", 1}}));
  EXPECT_THAT(run("inspect " + (test::kFormats / "ti2v-lora/peft_dir").string()).output,
              AllOf(Says("adapter_config.json"), Says("--lora ")));
}

TEST_F(Inspect, ALoraThatIsNotReadSaysWhy) {
  const std::string layer = "diffusion_model.blocks.0.self_attn.q.";
  const std::vector<float> ones(16, 1);
  test::write_safetensors(folder_ / "half.safetensors",
                          {test::stored(layer + "lora_A.weight", {{1, 16}, ones}, DType::kF32)});
  const json found = document("half.safetensors");
  EXPECT_EQ(found.at("pairs_by_rank").at("value"), nullptr);
  EXPECT_THAT(found.at("pairs_by_rank").at("reason").get<std::string>(), Says("is there without lora_B"));
  EXPECT_THAT(run("inspect half.safetensors").output, Says("not read: "));
}

}  // namespace
}  // namespace wan
