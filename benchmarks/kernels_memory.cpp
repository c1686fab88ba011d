#include "kernels_memory.h"

#include <fmt/format.h>

#include "kernels_step.h"
#include "tensor/packed.h"

namespace wan::bench {
namespace {

constexpr double kSeconds = 0.05;

struct Bench {
  cuda::CudaBackend& backend;
  const Ceilings& ceilings;
  void row(const std::string& name, double bytes, const std::function<void()>& call) const {
    print_row(name, time_calls(backend, kSeconds, call), {.bytes = bytes}, ceilings);
  }
};

void token_rows(const Bench& bench, const DitShape& shape) {
  const DitLayer layer(bench.backend, shape);
  for (const Operation& operation : layer.operations()) {
    if (!operation.is_matrix()) bench.row(shape.name + " " + operation.name, operation.cost.bytes, operation.call);
  }
}

void plain_rows(const Bench& bench, const DitShape& shape) {
  cuda::CudaBackend& backend = bench.backend;
  const int64_t l = shape.tokens, d = shape.width;
  const double elements = static_cast<double>(l * d);
  const Tensor x = random_tensor(backend, DType::kF32, {l, d}), n = random_tensor(backend, DType::kBF16, {l, d});
  const Tensor coefficients = random_tensor(backend, DType::kF32, {2, d}),
               gates = random_tensor(backend, DType::kF32, {2, d});
  Tensor index = backend.allocate(DType::kI32, {l}, "row index");
  const Tensor host = host_tensor(DType::kI32, {l});
  for (int64_t i = 0; i < l; ++i) host->as<int32_t>()[i] = i < l / 41 ? 0 : 1;  // the first latent frame has t = 0
  backend.upload(host, index);
  bench.row(shape.name + " layer_norm f32 -> bf16", 6 * elements, [&] { backend.layer_norm(x, {}, {}, 1e-6f, n); });
  bench.row(shape.name + " gated_residual_modulated_norm, two timesteps", 12 * elements,
            [&] { backend.gated_residual_modulated_norm(x, n, gates, coefficients, gates, index, 1e-6f, n); });
  bench.row(shape.name + " copy f32 -> bf16", 6 * elements, [&] { backend.copy(x, n); });
  bench.row(shape.name + " add bf16 -> f32", 10 * elements, [&] { backend.add(n, x); });
}

void latents(const Bench& bench) {
  cuda::CudaBackend& backend = bench.backend;
  constexpr int64_t kChannels = 48, kFrames = 41, kHeight = 44, kWidth = 80;
  const Tensor latent = random_tensor(backend, DType::kF32, {kChannels, kFrames, kHeight, kWidth});
  const Tensor other = random_tensor(backend, DType::kF32, {kChannels, kFrames, kHeight, kWidth});
  const Tensor rows = random_tensor(backend, DType::kF32, {kFrames * kHeight / 2 * kWidth / 2, 4 * kChannels});
  const Tensor last = random_tensor(backend, DType::kBF16, {kFrames, kHeight, kWidth, kChannels});
  const double bytes = 4 * static_cast<double>(latent->count());
  bench.row("5b patchify f32", 2 * bytes, [&] { backend.patchify(latent, rows); });
  bench.row("5b unpatchify f32", 2 * bytes, [&] { backend.unpatchify(rows, latent); });
  bench.row("5b combine of 4", 5 * bytes, [&] {
    const Term terms[] = {{0.5f, latent}, {0.25f, other}, {0.125f, latent}, {1.0f, other}};
    backend.combine(terms, other);
  });
  bench.row("latent to channels last, bf16", 1.5 * bytes, [&] { backend.copy(latent->permute({1, 2, 3, 0}), last); });
}

/// The three kinds of matrices of an A14B block: 8, 1 and 1 of them in each of 40 blocks of two experts.
void lora_merges(const Bench& bench) {
  cuda::CudaBackend& backend = bench.backend;
  constexpr int64_t kWidth = 5120, kInner = 13824, kRank = 64;
  for (const auto& [rows, columns] : {std::pair{kWidth, kWidth}, {kInner, kWidth}, {kWidth, kInner}})
    for (const DType stored : {DType::kBF16, DType::kF32}) {
      const Tensor base = random_tensor(backend, stored, {rows, columns});
      const Tensor merged = random_tensor(backend, DType::kBF16, {rows, columns});
      const Tensor up = random_tensor(backend, DType::kBF16, {rows, kRank});
      const Tensor down = random_tensor(backend, DType::kBF16, {kRank, columns});
      bench.row(fmt::format("add_low_rank {}x{}, rank {}, {} -> BF16", rows, columns, kRank, name_of(stored)),
                static_cast<double>(base->bytes() + merged->bytes()),
                [&] { backend.add_low_rank(base, up, down, 0.125f, merged, Queue::kCompute); });
    }
}

/// Any bits: what they mean takes no time.
Tensor random_bytes(cuda::CudaBackend& backend, size_t count) {
  Tensor bytes = backend.allocate(DType::kU8, {static_cast<int64_t>(count)}, "benchmark");
  backend.fill_normal({bytes->data, DType::kBF16, {static_cast<int64_t>(count / 2)}, Memory::kDevice}, count, 0, 1);
  return bytes;
}

/// Matrices of an A14B block in the forms of files, without a term and with one.
void expansions(const Bench& bench) {
  cuda::CudaBackend& backend = bench.backend;
  constexpr int64_t kWidth = 5120, kInner = 13824, kRank = 64;
  const PackedForm forms[] = {{DType::kF32, BlockType::kQ4K, PackedScale::kNone},
                              {DType::kF32, BlockType::kQ6K, PackedScale::kNone},
                              {DType::kF32, BlockType::kQ8_0, PackedScale::kNone},
                              {DType::kF8E4M3, BlockType::kNone, PackedScale::kMatrix},
                              {DType::kBF16, BlockType::kNone, PackedScale::kNone}};
  for (const auto& [rows, columns] : {std::pair{kWidth, kWidth}, {kInner, kWidth}})
    for (const PackedForm& form : forms) {
      const size_t bytes = static_cast<size_t>(rows) * form.row_bytes(columns);
      const Tensor memory = random_bytes(backend, bytes);
      const PackedMatrix matrix{
          .form = form, .rows = rows, .columns = columns, .values = memory, .scales = {}, .factor = 0.125f};
      const Tensor y = random_tensor(backend, DType::kBF16, {rows, columns});
      const Tensor up = random_tensor(backend, DType::kBF16, {rows, kRank});
      const Tensor down = random_tensor(backend, DType::kBF16, {kRank, columns});
      const LowRankTerm term{up, down, 0.125f};
      const double moved = static_cast<double>(bytes + y->bytes());
      const std::string name = fmt::format("expand {}x{}, {}", rows, columns, form.text());
      bench.row(name, moved, [&] { backend.expand(matrix, {}, y, Queue::kCompute); });
      bench.row(fmt::format("{}, a term of rank {}", name, kRank),
                moved + static_cast<double>(up->bytes() + down->bytes()), [&] {
                  backend.expand(matrix, {&term, 1}, y, Queue::kCompute);
                });
    }
}

void channel_norms(const Bench& bench) {
  cuda::CudaBackend& backend = bench.backend;
  struct Stage {
    int64_t positions, channels;
  };
  // VAE 2.2 decoder at 1280x704 (eight frames of each stage), its encoder's 160, 320 and 640, VAE 2.1's 96, 192 and
  // 384.
  for (const Stage& stage :
       {Stage{8 * 44 * 80, 1024}, Stage{8 * 88 * 160, 1024}, Stage{8 * 176 * 320, 512}, Stage{8 * 352 * 640, 256},
        Stage{8 * 352 * 640, 512}, Stage{8 * 352 * 640, 160}, Stage{8 * 176 * 320, 320}, Stage{8 * 88 * 160, 640},
        Stage{8 * 480 * 832, 96}, Stage{8 * 240 * 416, 192}, Stage{8 * 120 * 208, 384}}) {
    for (const DType dtype : {DType::kBF16, DType::kF32}) {
      const Tensor x = random_tensor(backend, dtype, {stage.positions, stage.channels});
      const Tensor y = random_tensor(backend, dtype, {stage.positions, stage.channels});
      const Tensor gamma = random_tensor(backend, DType::kF32, {stage.channels});
      bench.row(fmt::format("channel_norm silu {}x{} {}", stage.positions, stage.channels, name_of(dtype)),
                2 * static_cast<double>(x->bytes()), [&] { backend.channel_norm(x, gamma, Activation::kSilu, y); });
    }
  }
}

void vae_ends(const Bench& bench) {
  cuda::CudaBackend& backend = bench.backend;
  const auto shortcut = [&](int64_t in, int64_t out, int64_t factor_t, int64_t height, int64_t width) {
    const Tensor x = random_tensor(backend, DType::kBF16, {4, height, width, in});
    const Tensor y = random_tensor(backend, DType::kBF16, {4 * factor_t, 2 * height, 2 * width, out});
    bench.row(fmt::format("dup_up_add {} -> {}, t x{}, {}x{}", in, out, factor_t, 2 * height, 2 * width),
              2 * static_cast<double>(y->bytes()) + static_cast<double>(x->bytes()),
              [&] { backend.dup_up_add(x, factor_t, 2, false, y); });
  };
  shortcut(1024, 1024, 2, 44, 80);
  shortcut(1024, 1024, 2, 88, 160);
  shortcut(1024, 512, 1, 176, 320);
  constexpr int64_t kFrames = 16, kHeight = 352, kWidth = 640;
  const Tensor last = random_tensor(backend, DType::kBF16, {kFrames, kHeight, kWidth, 12});
  const Tensor video = random_tensor(backend, DType::kF32, {3, kFrames, 2 * kHeight, 2 * kWidth});
  const Tensor bytes = backend.allocate(DType::kU8, {kFrames, 2 * kHeight, 2 * kWidth, 3}, "frames");
  const double elements = static_cast<double>(last->count());
  bench.row("channels_to_rgb8, 16 frames 1280x704", 3 * elements, [&] { backend.channels_to_rgb8(last, 2, bytes); });
  bench.row("channels_to_pixels, 16 frames 1280x704", 6 * elements,
            [&] { backend.channels_to_pixels(last, 2, video); });
  bench.row("pixels_to_channels, 16 frames 1280x704", 6 * elements,
            [&] { backend.pixels_to_channels(video, 2, last); });
  const Tensor encoder = random_tensor(backend, DType::kBF16, {8, 176, 320, 160}),
               halved = random_tensor(backend, DType::kBF16, {4, 88, 160, 320});
  bench.row("avg_down_add 160 -> 320, t x2", static_cast<double>(encoder->bytes() + 2 * halved->bytes()),
            [&] { backend.avg_down_add(encoder, 2, 2, halved); });
}

}  // namespace

void run_memory_bound(cuda::CudaBackend& backend, const Ceilings& ceilings) {
  const Bench bench{backend, ceilings};
  print_header();
  for (const DitShape& shape : dit_shapes()) token_rows(bench, shape);
  for (const DitShape& shape : dit_shapes()) plain_rows(bench, shape);
  latents(bench);
  lora_merges(bench);
  expansions(bench);
  channel_norms(bench);
  vae_ends(bench);
}

}  // namespace wan::bench
