#include "pipeline/stage_seconds.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "model/cost.h"

namespace wan {
namespace {

/// A video's amounts of one stage's work, and what it took.
struct Row {
  std::vector<double> work;
  double seconds = 0;
};

/// Solves the normal equations by elimination with pivots; empty where they have no one solution.
std::vector<double> solve(std::vector<std::vector<double>> rows) {
  const size_t n = rows.size();
  for (size_t i = 0; i < n; ++i) {
    const auto larger = [&](const auto& a, const auto& b) { return std::abs(a[i]) < std::abs(b[i]); };
    std::iter_swap(rows.begin() + static_cast<ptrdiff_t>(i),
                   std::max_element(rows.begin() + static_cast<ptrdiff_t>(i), rows.end(), larger));
    constexpr double kSingular = 1e-12;  // of sums of squares near 1
    if (std::abs(rows[i][i]) < kSingular) return {};
    for (size_t j = 0; j < n; ++j) {
      if (j == i) continue;
      const double factor = rows[j][i] / rows[i][i];
      for (size_t k = i; k <= n; ++k) rows[j][k] -= factor * rows[i][k];
    }
  }
  std::vector<double> out;
  for (size_t i = 0; i < n; ++i) out.push_back(rows[i][n] / rows[i][i]);
  return out;
}

/// The costs for which work / seconds comes nearest to 1. Empty for fewer rows than kinds of work.
std::vector<double> least_squares(const std::vector<Row>& rows) {
  if (rows.empty() || rows.size() < rows.front().work.size()) return {};
  const size_t n = rows.front().work.size();
  std::vector<double> scale(n, 0);
  for (const Row& row : rows)
    for (size_t i = 0; i < n; ++i) scale[i] = std::max(scale[i], row.work[i] / row.seconds);
  std::vector<std::vector<double>> normal(n, std::vector<double>(n + 1, 0));
  for (const Row& row : rows)
    for (size_t i = 0; i < n; ++i) {
      const double a = row.work[i] / row.seconds / scale[i];
      for (size_t j = 0; j < n; ++j) normal[i][j] += a * row.work[j] / row.seconds / scale[j];
      normal[i][n] += a;
    }
  std::vector<double> costs = solve(normal);
  for (size_t i = 0; i < costs.size(); ++i) costs[i] /= scale[i];
  return costs;
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

StageFit fit(const std::vector<std::optional<Row>>& videos) {
  const auto rows_without = [&](size_t left_out) {
    std::vector<Row> rows;
    for (size_t i = 0; i < videos.size(); ++i)
      if (videos[i] && i != left_out) rows.push_back(*videos[i]);
    return rows;
  };
  StageFit out;
  out.costs = least_squares(rows_without(videos.size()));
  for (size_t i = 0; i < videos.size(); ++i) {
    const auto error = [&](const std::vector<double>& costs) -> std::optional<double> {
      if (!videos[i] || costs.empty()) return std::nullopt;
      return dot(costs, videos[i]->work) / videos[i]->seconds - 1;
    };
    out.errors.push_back(error(out.costs));
    out.left_out.push_back(error(least_squares(rows_without(i))));
  }
  return out;
}

StageFit fit(std::span<const MeasuredVideo> videos, std::vector<double> StageWork::*work,
             std::optional<double> MeasuredVideo::*seconds) {
  std::vector<std::optional<Row>> rows;
  for (const MeasuredVideo& video : videos)
    rows.push_back(video.*seconds ? std::optional(Row{video.work.*work, *(video.*seconds)}) : std::nullopt);
  return fit(rows);
}

/// Convolutions cost the encoder what they cost the decoder; the rest is for the pixels.
StageFit fit_image(std::span<const MeasuredVideo> videos, const StageFit& decode) {
  std::vector<std::optional<Row>> rows;
  for (const MeasuredVideo& video : videos) {
    std::optional<Row>& row = rows.emplace_back();
    if (!video.image_s || !decode.is_known()) continue;
    const double rest = *video.image_s - decode.seconds(video.work.image_convolutions);
    if (rest > 0) row = Row{video.work.image, rest};
  }
  StageFit out = fit(rows);
  // Of all that the stage takes.
  for (size_t i = 0; i < rows.size(); ++i)
    for (auto* errors : {&out.errors, &out.left_out})
      if (auto& error = (*errors)[i]) error = *error * rows[i]->seconds / *videos[i].image_s;
  return out;
}

constexpr const char* kNoRecord = "no record on this card";

ExpectedStage known(StageRole role, double seconds) { return {role, seconds, {}}; }
ExpectedStage unknown(StageRole role, const char* reason) { return {role, std::nullopt, reason}; }

ExpectedStage text_stage(const ModelSet& models, const Plan& plan, const StageWork& work, const StageFits& fits) {
  constexpr auto kRole = StageRole::kTextEncoding;
  if (plan.text_encoder_device == "cpu") return unknown(kRole, "encoded on the CPU: no card's record tells its speed");
  if (models.checkpoint) return unknown(kRole, "its weights come from files, as fast as the host reads them");
  if (!fits.text.is_known()) return unknown(kRole, kNoRecord);
  return known(kRole, fits.text.seconds(work.text));
}

ExpectedStage image_stage(const Plan& plan, const StageWork& work, const StageFits& fits) {
  constexpr auto kRole = StageRole::kVaeEncoding;
  if (plan.variant->first_frame_is_latent()) return unknown(kRole, "no record of one frame encoded in fp32");
  if (!fits.image.is_known()) return unknown(kRole, kNoRecord);
  return known(kRole, fits.image.seconds(work.image) + fits.decode.seconds(work.image_convolutions));
}

/// Copies of streamed weights go beside a step, and are what it takes where they take longer.
ExpectedStage step_stage(Residency residency, const StageWork& work, const StageFits& fits) {
  constexpr auto kRole = StageRole::kStepInference;
  if (residency == Residency::kMapped) return unknown(kRole, "weights are converted in every pass, at the host's pace");
  if (!fits.step.is_known()) return unknown(kRole, kNoRecord);
  const double step = fits.step.seconds(work.step);
  if (residency == Residency::kResident) return known(kRole, step);
  if (!fits.copy.is_known()) return unknown(kRole, "no record of streamed weights on this card");
  return known(kRole, std::max(step, fits.copy.seconds(work.copy)));
}

}  // namespace

double StageFit::seconds(const std::vector<double>& work) const { return dot(costs, work); }

StageWork stage_work(const ModelSet& models, const Plan& plan) {
  StageWork work;
  const WeightLayout layer = text_encoder_layer_layout(models.text, 0, plan.compute);
  work.text = {static_cast<double>(layer.bytes()) * static_cast<double>(models.text.num_layers)};
  const double branches = static_cast<double>(plan.passes()) / plan.steps;
  const DitCost dit = dit_cost(models.dit, plan.grid().tokens(), plan.added_tokens());
  work.step = {branches * dit.gemm, branches * (dit.self_attention + dit.cross_attention)};
  const WeightLayout block = dit_block_layout(models.dit, 0, plan.compute);
  work.copy = {branches * static_cast<double>(block.bytes()) * static_cast<double>(models.dit.num_layers)};
  const WeightFile* file = models.vae_file();
  const int64_t frames = plan.decoded_latents(), height = plan.latent[2], width = plan.latent[3];
  work.decode = {vae_decode_cost(models.vae, file, frames, height, width),
                 vae_decode_values(models.vae, file, frames, height, width)};
  if (!plan.from_image) return work;
  const int64_t seen = plan.encoded_frames();
  work.image = {static_cast<double>(seen) * static_cast<double>(plan.height * plan.width)};
  work.image_convolutions = {vae_encode_cost(models.vae, file, seen, plan.height, plan.width),
                             vae_encode_values(models.vae, file, seen, plan.height, plan.width)};
  return work;
}

StageFits fit_stages(std::span<const MeasuredVideo> videos) {
  StageFits fits;
  fits.text = fit(videos, &StageWork::text, &MeasuredVideo::text_s);
  fits.step = fit(videos, &StageWork::step, &MeasuredVideo::step_s);
  fits.copy = fit(videos, &StageWork::copy, &MeasuredVideo::copy_s);
  fits.decode = fit(videos, &StageWork::decode, &MeasuredVideo::decode_s);
  fits.image = fit_image(videos, fits.decode);
  return fits;
}

std::vector<ExpectedStage> expected_stages(const ModelSet& models, const Plan& plan, const MemoryPlan& memory,
                                           const StageFits& fits) {
  std::vector<ExpectedStage> stages{
      unknown(StageRole::kInitialization, "that goes as the files' disk and the host go")};
  const StageWork work = stage_work(models, plan);
  const bool is_bf16 = plan.compute == DType::kBF16, vae_is_bf16 = plan.vae_compute == DType::kBF16;
  constexpr const char* kOtherType = "the records are of bf16";
  stages.push_back(is_bf16 ? text_stage(models, plan, work, fits) : unknown(StageRole::kTextEncoding, kOtherType));
  constexpr const char* kOfClips = "no record of a video that is made in clips";
  if (plan.variant->takes_audio()) stages.push_back(unknown(StageRole::kAudioEncoding, kOfClips));
  if (plan.variant->makes_clips())
    stages.push_back(unknown(StageRole::kVaeEncoding, kOfClips));
  else if (plan.from_image)
    stages.push_back(vae_is_bf16 ? image_stage(plan, work, fits) : unknown(StageRole::kVaeEncoding, kOtherType));
  const bool is_whole = is_bf16 && !plan.quantization.any();
  stages.push_back(is_whole ? step_stage(memory.dit_residency, work, fits)
                            : unknown(StageRole::kStepInference, kOtherType));
  if (!vae_is_bf16)
    stages.push_back(unknown(StageRole::kVaeDecoding, kOtherType));
  else if (!fits.decode.is_known())
    stages.push_back(unknown(StageRole::kVaeDecoding, kNoRecord));
  else
    stages.push_back(known(StageRole::kVaeDecoding, fits.decode.seconds(work.decode)));
  return stages;
}

}  // namespace wan
