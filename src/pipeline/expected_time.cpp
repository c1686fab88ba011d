#include "pipeline/expected_time.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/clock.h"
#include "model/cost.h"

namespace wan {
namespace {

/// A trial must fill the device and be over at once.
constexpr int64_t kMostCpuRows = 256, kMostCudaRows = 8192, kMostColumns = 4096;
constexpr int kTrials = 3;
constexpr int kProductsOnCard = 16;        // a trial's: one alone is over before the launch of the next would be hidden
constexpr int64_t kWakingNs = 60'000'000;  // until a card at rest runs at its full clock

/// A guess: no tokenizer is read before the work.
int64_t guessed_tokens(const std::string& prompt) {
  constexpr int64_t kBytesAToken = 4, kMostTokens = 512;
  return std::clamp<int64_t>(static_cast<int64_t>(prompt.size()) / kBytesAToken + 1, 1, kMostTokens);
}

}  // namespace

VideoWork work_of(const ModelSet& models, const Plan& plan) {
  VideoWork work;
  work.text = text_encoder_cost(models.text, guessed_tokens(plan.prompt));
  if (plan.uses_negative_prompt()) work.text += text_encoder_cost(models.text, guessed_tokens(plan.negative_prompt));
  const auto clips = static_cast<double>(plan.clips);
  const DitCost dit = dit_cost(models.dit, plan.grid().tokens(), plan.added_tokens());
  const double branches = static_cast<double>(plan.passes()) / plan.steps / plan.parallel.ranks();  // of one rank
  work.step_products = branches * dit.gemm;
  work.step_attention = branches * (dit.self_attention + dit.cross_attention);
  work.vae =
      clips * vae_decode_cost(models.vae, models.vae_file(), plan.decoded_latents(), plan.latent[2], plan.latent[3]);
  if (plan.from_image)
    work.vae += clips * vae_encode_cost(models.vae, models.vae_file(), plan.encoded_frames(), plan.height, plan.width);
  if (plan.variant->takes_driving_video()) {
    constexpr double kEncodings = 2;  // of a clip: the pose, and what is known of the video
    work.vae += clips * kEncodings *
                vae_encode_cost(models.vae, models.vae_file(), plan.encoded_frames(), plan.height, plan.width);
    work.vae += clips * static_cast<double>(plan.clip.frames) * motion_encoder_cost(models.dit.animate);
  }
  work.vae /= plan.vae_ranks();
  work.steps = static_cast<int>(plan.clips) * plan.steps;
  return work;
}

RateShares shares_of(std::string_view device_kind) {
  // CPU: the small model on two cores of an AMD EPYC, fp32, beside the trial in the same process: attention 0.40, 0.55
  // and 0.64 at 60, 1,728 and 3,510 tokens, the decoder 0.54 to 0.55. Hopper (docs/results): steps run at 685 to
  // 713 TFLOP/s whatever attention's part in them, decoders at 414 to 671; no trial was timed beside those.
  return device_kind == "cpu" ? RateShares{0.6, 0.55} : RateShares{0.95, 0.75};
}

ExpectedTime expected_time(const VideoWork& work, double product_rate, const RateShares& shares) {
  ExpectedTime time;
  time.text_s = work.text / product_rate;
  time.step_s = (work.step_products + work.step_attention / shares.attention) / product_rate;
  time.denoise_s = time.step_s * work.steps;
  time.vae_s = work.vae / (product_rate * shares.convolution);
  return time;
}

double measure_product_rate(Backend& backend, const DitConfig& dit, DType compute, int64_t tokens) {
  const int64_t rows = std::min(tokens, backend.info().kind == "cpu" ? kMostCpuRows : kMostCudaRows);
  const int64_t columns = std::min(dit.ffn_dim, kMostColumns), depth = std::min(dit.dim, kMostColumns);
  const Tensor x = backend.allocate(compute, {rows, depth}, "trial input");
  const Tensor weight = backend.allocate(compute, {columns, depth}, "trial weights");
  const Tensor y = backend.allocate(compute, {rows, columns}, "trial output");
  backend.fill_normal(x, 1, 0, 1);
  backend.fill_normal(weight, 2, 0, 1);
  const bool is_card = backend.info().kind != "cpu";
  const int products = is_card ? kProductsOnCard : 1;
  const auto length_ns = [&] {
    const int64_t begin_ns = monotonic_ns();
    for (int i = 0; i < products; ++i) backend.linear(x, weight, {}, Activation::kNone, y);
    backend.synchronize();
    return std::max<int64_t>(1, monotonic_ns() - begin_ns);
  };
  backend.synchronize();
  length_ns();  // loads and chooses kernels
  for (int64_t waking_ns = 0; is_card && waking_ns < kWakingNs;) waking_ns += length_ns();
  std::array<int64_t, kTrials> lengths_ns{};
  for (int64_t& length : lengths_ns) length = length_ns();
  std::sort(lengths_ns.begin(), lengths_ns.end());
  return 2.0 * products * static_cast<double>(rows * columns * depth) / seconds_from_ns(lengths_ns[kTrials / 2]).value;
}

std::string Expectation::time_basis() const {
  return fmt::format(
      "the operations counted, by a trial matrix product of {:.3g} TFLOP/s on this {}; reading the "
      "weights is not counted",
      product_rate * 1e-12, device_kind == "cpu" ? "processor" : "card");
}

}  // namespace wan
