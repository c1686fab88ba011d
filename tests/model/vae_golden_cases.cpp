// The VAE decoders alone, fed the official program's own latents, against its fp32 video: on every backend and in both
// precisions. The whole pipeline's video also carries the latents' error; this one does not.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "../backend/subject.h"
#include "io/tensor_file.h"
#include "model/checkpoint.h"
#include "model/vae.h"

namespace wan {
namespace {

// fp32 differs from the official program by the order of sums, and on Hopper by the fp32 convolution's 3 * 2^-16.
constexpr double kExactLimit = 1e-3;

struct Decoder {
  std::string name;
  std::string fixture;
  /// Error of a numpy model of this decoder whose weights, and every layer's result, are rounded to bf16.
  double rounded_error;
};

const std::vector<Decoder> kDecoders{{"TextToVideo", "mini-ti2v-t2v", 0.00876},
                                     {"ImageToVideo", "mini-ti2v-i2v", 0.00766},
                                     {"TwoExperts", "mini-t2v-moe", 0.01106}};

/// Where the golden archives are unpacked; a program that was carried to another machine is told by the environment.
std::filesystem::path fixtures() {
  const char* const carried = std::getenv("WANBENCH_FIXTURES");
  return carried != nullptr ? carried : WAN_FIXTURES;
}

std::vector<float> values_of(const TensorFile& file, const std::string& name) {
  const StoredTensor& stored = file.at(name);
  std::vector<float> values(static_cast<size_t>(stored.shape.count()));
  convert_elements(file.view(stored).data, stored.dtype, stored.shape.count(), DType::kF32, values.data());
  return values;
}

/// |a - b| / |b|.
double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    difference += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    size += double{b[i]} * b[i];
  }
  return std::sqrt(difference / size);
}

/// How a video is taken apart: latent frames of a chunk, as begin_decode is told and as they are, and of a slice.
struct Pieces {
  int64_t said = 1, chunk = 1, slice = 0;
};

class VaeGolden : public OnBackendWith<Decoder> {
 protected:
  std::vector<float> decode(const Checkpoint& checkpoint, const VaeConfig& config, const Shape& video_shape,
                            TensorView host_latent, Pieces pieces = {}) {
    const Tensor latent = backend().allocate(DType::kF32, host_latent.shape, "latent");
    backend().upload(host_latent, latent);
    const Tensor video = backend().allocate(DType::kF32, video_shape, "video");
    Vae vae(backend(), config, WeightSource::from_file(checkpoint.vae_file), &checkpoint.vae_file, dtype(),
            Vae::Parts::kDecoder);
    const Tensor block = backend().allocate(DType::kU8, {int64_t{64} << 20}, "activations");
    Arena arena(block);
    vae.set_slice_frames(pieces.slice);
    vae.begin_decode(latent->shape[2], latent->shape[3], pieces.said);
    int64_t frames_done = 0;
    for (int64_t i = 0; i < latent->shape[1]; i += pieces.chunk) {
      const ArenaScope scope(arena);
      const int64_t end = std::min(i + pieces.chunk, latent->shape[1]);
      const int64_t frames = vae.frames_of(end - i, i == 0);
      const TensorView rows = vae.decode_chunk(latent->slice(1, i, end), arena);
      backend().channels_to_pixels(rows, config.patch(), video->slice(1, frames_done, frames_done + frames));
      frames_done += frames;
    }
    EXPECT_EQ(frames_done, video_shape[1]);
    const Tensor host = backend().download(video);
    return {host->as<float>(), host->as<float>() + host->count()};
  }
};

TEST_P(VaeGolden, DecodesTheOfficialLatents) {
  const std::filesystem::path folder = fixtures() / param().fixture;
  const Checkpoint checkpoint = open_checkpoint(folder);
  const TensorFile golden = TensorFile::open(folder / "golden.safetensors");
  const std::vector<float> want = values_of(golden, "fp32.vae.decode.video");
  std::vector<float> latent = values_of(golden, "fp32.vae.decode.latent");
  const Shape latent_shape = golden.at("fp32.vae.decode.latent").shape;
  const std::vector<float> got = decode(checkpoint, checkpoint.vae, golden.at("fp32.vae.decode.video").shape,
                                        {latent.data(), DType::kF32, latent_shape, Memory::kHost});
  const double error = relative_error(got, want);
  const double limit = dtype() == DType::kF32 ? kExactLimit : 1.5 * param().rounded_error;
  std::printf("%s: error %.3g, limit %.3g\n", param().name.c_str(), error, limit);
  EXPECT_LE(error, limit);
}

// Frames that become history without a copy, and those that are copied: the same bits. cuDNN may take another algorithm
// for another length; the CPU and our own kernel do not.
TEST_P(VaeGolden, ChunksAndSlicesGiveTheSameBits) {
  if (backend().info().kind == "cuda" && backend().history_memory(DType::kBF16) == HistoryMemory::kJoined)
    GTEST_SKIP() << "cuDNN convolves here";
  const std::filesystem::path folder = fixtures() / param().fixture;
  const Checkpoint checkpoint = open_checkpoint(folder);
  const TensorFile golden = TensorFile::open(folder / "golden.safetensors");
  const Shape shape = golden.at("fp32.vae.decode.latent").shape, video = golden.at("fp32.vae.decode.video").shape;
  std::vector<float> values = values_of(golden, "fp32.vae.decode.latent");
  const TensorView latent(values.data(), DType::kF32, shape, Memory::kHost);
  const std::vector<float> whole = decode(checkpoint, checkpoint.vae, video, latent, {3, shape[1], 0});
  for (const Pieces pieces : {Pieces{1, 1, 1}, {2, 2, 1}, {1, 2, 1}})
    EXPECT_EQ(decode(checkpoint, checkpoint.vae, video, latent, pieces), whole)
        << "said " << pieces.said << ", chunk " << pieces.chunk << ", slice " << pieces.slice;
}

INSTANTIATE_TEST_SUITE_P(Decoders, VaeGolden, both_precisions(kDecoders), CaseName());

}  // namespace
}  // namespace wan
