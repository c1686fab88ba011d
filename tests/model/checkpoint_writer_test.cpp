// Written checkpoints pass the engine's own checks and hold the very weights the engine would use.
#include "model/checkpoint_writer.h"

#include "model/official_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "temporary_folder.h"

namespace wan {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const fs::path kFixtures = WAN_FIXTURES;

/// Runs `action`, which must fail; its message.
std::string refusal(const std::function<void()>& action, ErrorKind kind) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "expected wan::Error";
  return {};
}

class CheckpointWriter : public testing::Test {
 protected:
  /// A checkpoint of random weights in the sizes of a fixture, so that it is a few megabytes.
  Checkpoint make_like(const std::string& fixture, DType dit_dtype) {
    const Checkpoint model = open_checkpoint(kFixtures / fixture);
    const CheckpointSizes sizes{model.variant, model.dit,  model.text, vae_parts(model.vae.version, &model.vae_file),
                                model.audio,   model.image};
    make_checkpoint(sizes, kSeed, {CheckpointFormat::kOfficial, dit_dtype}, model.files.tokenizer, folder_ / "made",
                    options_);
    return open_checkpoint(folder_ / "made");
  }
  std::vector<std::string> names_in(const fs::path& folder) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
    return names;
  }

  static constexpr uint64_t kSeed = 5;
  const test::TemporaryFolder folder_;
  WriteOptions options_{3'000'000, {}};  // several shards even of a miniature
};

std::vector<float> values_of(const WeightSource& source, const WeightPart& part) {
  std::vector<float> values(static_cast<size_t>(part.shape.count()));
  source.read(part, 0, part.shape.count(), DType::kF32, values.data());
  return values;
}

void expect_equal(const WeightFile& file, const WeightSource& source, std::span<const WeightPart> parts) {
  for (const WeightPart& part : parts)
    EXPECT_EQ(values_of(WeightSource::from_file(file), part), values_of(source, part)) << part.source;
}

std::vector<WeightPart> parts_of(const std::vector<WeightLayout>& layouts) {
  std::vector<WeightPart> parts;
  for (const WeightLayout& layout : layouts)
    for (const WeightSlot& slot : layout.slots()) parts.insert(parts.end(), slot.parts.begin(), slot.parts.end());
  return parts;
}

std::vector<WeightLayout> text_layouts(const TextEncoderConfig& config) {
  std::vector<WeightLayout> layouts{text_encoder_norm_layout(config)};
  for (int i = 0; i < config.num_layers; ++i) layouts.push_back(text_encoder_layer_layout(config, i, DType::kBF16));
  return layouts;
}

void expect_dtype(const TensorFile& file, DType dtype) {
  for (const StoredTensor& tensor : file.tensors()) EXPECT_EQ(tensor.dtype, dtype) << tensor.name;
}

TEST_F(CheckpointWriter, HoldsTheEnginesRandomWeightsInTheOfficialTypes) {
  const Checkpoint made = make_like("mini-ti2v-t2v", DType::kF32);
  EXPECT_EQ(made.variant, &variant_named("ti2v-5B"));
  EXPECT_EQ(made.dit.text_len, 512);
  EXPECT_EQ(made.dit.eps, 1e-6f);
  expect_dtype(made.dits[0].file(), DType::kF32);
  expect_dtype(made.text_encoder.file(), DType::kBF16);
  expect_dtype(made.vae_file.file(), DType::kF32);
  expect_equal(made.dits[0], random_weights(Component::kDit, kSeed), parts_of(dit_layouts(made.dit, DType::kF32)));
  std::vector<WeightPart> text = parts_of(text_layouts(made.text));
  text.push_back(text_embedding_part(made.text));
  expect_equal(made.text_encoder, random_weights(Component::kTextEncoder, kSeed), text);
  expect_equal(made.vae_file, random_weights(Component::kVae, kSeed), vae_parts(made.vae.version, &made.vae_file));
  EXPECT_THAT(names_in(made.files.tokenizer),
              testing::UnorderedElementsAreArray(names_in(tokenizer_folder(kFixtures / "mini-ti2v-t2v"))));
}

TEST_F(CheckpointWriter, ShardsAndIndexFollowTheOfficialLayout) {
  const Checkpoint made = make_like("mini-ti2v-t2v", DType::kF32);
  const auto index = nlohmann::json::parse(read_text(folder_ / "made" / kDitIndexName));
  EXPECT_EQ(index.at("metadata").at("total_size"), made.dits[0].file().total_bytes());
  EXPECT_EQ(index.at("weight_map").size(), made.dits[0].file().tensors().size());
  const size_t shards = made.dits[0].file().files().size();
  EXPECT_GE(shards, 2u);
  for (size_t i = 1; i <= shards; ++i) {
    char name[80];
    std::snprintf(name, sizeof name, "diffusion_pytorch_model-%05zu-of-%05zu.safetensors", i, shards);
    const TensorFile shard = TensorFile::open(folder_ / "made" / name);
    EXPECT_TRUE(shard.total_bytes() <= options_.shard_bytes || shard.tensors().size() == 1) << name;
  }
}

TEST_F(CheckpointWriter, ExpertsHaveWeightsOfTheirOwn) {
  const Checkpoint made = make_like("mini-t2v-moe", DType::kBF16);
  ASSERT_EQ(made.dits.size(), 2u);
  const std::vector<WeightPart> parts = parts_of(dit_layouts(made.dit, DType::kF32));
  for (size_t i = 0; i < 2; ++i) {
    expect_dtype(made.dits[i].file(), DType::kBF16);
    const uint64_t seed = kSeed + i;
    expect_equal(made.dits[i], WeightSource::random(seed, DType::kBF16), parts);
  }
}

TEST_F(CheckpointWriter, MakesAndCopiesTheEncodersOfSoundAndPicture) {
  const Checkpoint speech = make_like("mini-s2v", DType::kBF16);
  EXPECT_EQ(speech.dit, open_checkpoint(kFixtures / "mini-s2v").dit);
  std::vector<WeightLayout> layouts{audio_stem_layout(speech.audio)};
  for (int64_t i = 0; i < speech.audio.num_layers; ++i) layouts.push_back(audio_layer_layout(speech.audio, i));
  std::vector<WeightPart> parts = parts_of(layouts);
  const AudioPositionParts position = audio_position_parts(speech.audio);
  parts.insert(parts.end(), {position.length, position.directions});
  expect_equal(*speech.audio_encoder, random_weights(Component::kAudioEncoder, kSeed), parts);
  pack_checkpoint(WeightChoice::at(folder_ / "made"), folder_ / "packed", options_);
  const fs::path audio = fs::path(kAudioEncoderFolder) / "model.safetensors";
  EXPECT_EQ(sha256_of_file(folder_ / "packed" / audio), sha256_of_file(folder_ / "made" / audio));
  EXPECT_EQ(open_checkpoint(folder_ / "packed").audio.num_heads, speech.audio.num_heads);
  fs::remove_all(folder_ / "made");
  fs::remove_all(folder_ / "packed");

  const Checkpoint driven = make_like("mini-animate", DType::kBF16);
  EXPECT_EQ(driven.dit, open_checkpoint(kFixtures / "mini-animate").dit);
  EXPECT_EQ(driven.image.num_heads, 3) << "not of the published width: the config says it";
  expect_dtype(driven.image_encoder->file(), DType::kF16);
  pack_checkpoint(WeightChoice::at(folder_ / "made"), folder_ / "packed", options_);
  EXPECT_EQ(sha256_of_file(folder_ / "packed" / kImageEncoderName),
            sha256_of_file(folder_ / "made" / kImageEncoderName));
  EXPECT_EQ(open_checkpoint(folder_ / "packed").image.num_heads, 3);
}

TEST(CheckpointSizes, KeepWhatGoesInBehindTheFirstBlocks) {
  CheckpointSizes speech = published_checkpoint_sizes(variant_named("s2v-14B"));
  speech.keep_layers(9);
  EXPECT_EQ(speech.dit.num_layers, 9);
  EXPECT_EQ(speech.dit.speech.injected, 3) << "behind 0, 4 and 8";
  CheckpointSizes driven = published_checkpoint_sizes(variant_named("animate-14B"));
  driven.keep_layers(10);
  EXPECT_EQ(driven.dit.animate.face_blocks, 2);
  EXPECT_THAT(refusal([&] { driven.keep_layers(7); }, ErrorKind::kUsage), HasSubstr("every 5th"));
  EXPECT_THAT(refusal([&] { make_checkpoint(driven, 1, {CheckpointFormat::kComfy}, "no-tokenizer", "no-folder", {}); },
                      ErrorKind::kUsage),
              HasSubstr("animate-14B is made in the official layout alone"));
}

TEST_F(CheckpointWriter, AppearsCompleteOrNotAtAll) {
  int calls = 0;
  options_.progress = [&](uint64_t done, uint64_t total) {
    EXPECT_LE(done, total);
    if (++calls == 40) throw Error(ErrorKind::kInterrupted, "stopped");
  };
  EXPECT_EQ(refusal([&] { make_like("mini-ti2v-t2v", DType::kF32); }, ErrorKind::kInterrupted), "stopped");
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(CheckpointWriter, TellsProgressToTheLastByte) {
  uint64_t last = 0, announced = 0;
  options_.progress = [&](uint64_t done, uint64_t total) {
    EXPECT_GT(done, last);
    last = done;
    announced = total;
  };
  const Checkpoint made = make_like("mini-ti2v-t2v", DType::kF32);
  EXPECT_EQ(last, announced);
  EXPECT_EQ(announced, made.dits[0].file().total_bytes() + made.text_encoder.file().total_bytes() +
                           made.vae_file.file().total_bytes());
}

TEST_F(CheckpointWriter, LeavesExistingFoldersAlone) {
  fs::create_directories(folder_ / "made" / "precious");
  EXPECT_THAT(refusal([&] { make_like("mini-ti2v-t2v", DType::kF32); }, ErrorKind::kUsage),
              HasSubstr("is there already"));
  EXPECT_THAT(
      refusal([&] { pack_checkpoint(WeightChoice::at(kFixtures / "mini-ti2v-t2v"), folder_ / "made", options_); },
              ErrorKind::kUsage),
      HasSubstr("is there already"));
  EXPECT_EQ(names_in(folder_ / "made"), std::vector<std::string>{"precious"});
  fs::remove(folder_ / "made" / "precious");
  EXPECT_NO_THROW(make_like("mini-ti2v-t2v", DType::kF32)) << "an empty folder may be filled";
}

TEST_F(CheckpointWriter, FillsTheEmptyFolderThatALinkMeans) {
  fs::create_directories(folder_ / "elsewhere" / "large");
  fs::create_directory_symlink(folder_ / "elsewhere" / "large", folder_ / "made");
  EXPECT_NO_THROW(make_like("mini-ti2v-t2v", DType::kF32));
  EXPECT_TRUE(fs::is_symlink(folder_ / "made"));
  EXPECT_FALSE(fs::is_empty(folder_ / "elsewhere" / "large"));
}

TEST_F(CheckpointWriter, RefusesWhatTheDiskCannotHoldBeforeWriting) {
  CheckpointSizes sizes = published_checkpoint_sizes(variant_named("ti2v-5B"));
  sizes.dit.num_layers = 3'000;  // 2 TB of blocks
  const auto disk = fs::space(folder_);
  if (disk.available > uint64_t{1'900'000'000'000}) GTEST_SKIP() << "this disk could hold it";
  EXPECT_THAT(refusal([&] { make_checkpoint(sizes, 1, {}, folder_, folder_ / "made", options_); }, ErrorKind::kUsage),
              HasSubstr("bytes free"));
  EXPECT_TRUE(fs::is_empty(folder_));
}

/// What the engine keeps of each tensor when it computes in bf16, from either file.
void expect_same_slots(const TensorFile& packed, const WeightFile& original, const DitConfig& config) {
  for (const WeightLayout& layout : dit_layouts(config, DType::kBF16))
    for (const WeightSlot& slot : layout.slots())
      for (const WeightPart& part : slot.parts) {
        const auto count = part.shape.count();
        std::vector<std::byte> before(static_cast<size_t>(count) * size_of(slot.dtype));
        WeightSource::from_file(original).read(part, 0, count, slot.dtype, before.data());
        const StoredTensor& stored = packed.at(part.source);
        ASSERT_EQ(stored.dtype, slot.dtype) << part.source;
        EXPECT_EQ(std::memcmp(packed.view(stored).data, before.data(), before.size()), 0) << part.source;
      }
}

TEST_F(CheckpointWriter, PackedTensorsAreTheBytesTheEngineUploads) {
  for (const char* fixture : {"mini-ti2v-t2v", "mini-t2v-moe"}) {
    const Checkpoint original = open_checkpoint(kFixtures / fixture);
    pack_checkpoint(WeightChoice::at(kFixtures / fixture), folder_ / fixture, options_);
    const Checkpoint packed = open_checkpoint(folder_ / fixture);
    ASSERT_EQ(packed.dits.size(), original.dits.size());
    for (size_t i = 0; i < packed.dits.size(); ++i)
      expect_same_slots(packed.dits[i].file(), original.dits[i], original.dit);
    // What stays F32 is untouched.
    const StoredTensor& time = packed.dits[0].file().at("time_embedding.0.bias");
    EXPECT_EQ(time.dtype, DType::kF32);
    EXPECT_EQ(packed.dits[0].file().at("blocks.0.self_attn.q.weight").dtype, DType::kBF16);
    EXPECT_EQ(packed.dit.eps, original.dit.eps);
    for (const auto& name :
         {original.text_encoder.file().path().filename(), original.vae_file.file().path().filename()})
      EXPECT_EQ(read_text(folder_ / fixture / name), read_text(kFixtures / fixture / name)) << name;
  }
}

TEST_F(CheckpointWriter, PackedTensorsLieInTheOrderOfLoading) {
  options_.shard_bytes = 1'000'000'000;
  pack_checkpoint(WeightChoice::at(kFixtures / "mini-ti2v-t2v"), folder_ / "packed", options_);
  const Checkpoint packed = open_checkpoint(folder_ / "packed");
  uint64_t last = 0;
  for (const WeightPart& part : parts_of(dit_layouts(packed.dit, DType::kBF16))) {
    const uint64_t offset = packed.dits[0].file().at(part.source).offset;
    EXPECT_GT(offset, last) << part.source;
    last = offset;
  }
}

}  // namespace
}  // namespace wan
