// The documents of `wanbench plan --json`.
#include "cli/plan_text.h"
#include "pipeline/decisions.h"
#include "pipeline/residency.h"

namespace wan::cli {
namespace {

/// Of the stages of a plan, as records name what they time.
std::string_view key_of(StageRole role) {
  switch (role) {
    case StageRole::kInitialization: return "loading";
    case StageRole::kTextEncoding: return "text_encoding";
    case StageRole::kAudioEncoding: return "audio_encoding";
    case StageRole::kVaeEncoding: return "vae_encoding";
    case StageRole::kStepInference: return "step";
    default: return "vae_decoding";
  }
}

OrderedJson number_or(const std::optional<double>& value, std::string_view reason) {
  return value ? json_value(*value) : json_value(nullptr, reason);
}

OrderedJson json_of(const StageMemory& stage) {
  return {{"stage", key_of(stage.role)},
          {"dit_weights_bytes", stage.dit_weights},
          {"text_encoder_weights_bytes", stage.text_encoder_weights},
          {"audio_encoder_weights_bytes", stage.audio_encoder_weights},
          {"vae_weights_bytes", stage.vae_weights},
          {"lora_merging_bytes", stage.merging},
          {"activations_bytes", stage.activations},
          {"tensors_bytes", stage.tensors},
          {"libraries_bytes", stage.libraries},
          {"total_bytes", stage.total()}};
}

OrderedJson forwards_of(const Plan& plan) {
  const Decisions decisions = decisions_of(plan);
  return {{"planned", decisions.forwards_planned ? json_value(*decisions.forwards_planned)
                                                 : json_value(nullptr, "decided_while_running")},
          {"in_all", decisions.forwards_in_all},
          {"cond", decisions.forwards_cond},
          {"uncond", decisions.forwards_uncond},
          {"approximations", decisions.approximations},
          {"curve_remark", plan.step_cache.curve_remark}};
}

OrderedJson json_of(const VideoPlan& video) {
  const Plan& plan = video.plan;
  OrderedJson json = {{"name", video.name.empty() ? json_value(nullptr, "not_a_case") : json_value(video.name)},
                      {"model", plan.model},
                      {"width", plan.width},
                      {"height", plan.height},
                      {"num_frames", plan.num_frames},
                      {"recipe", plan.recipe->name},
                      {"steps", plan.steps},
                      {"forwards", forwards_of(plan)},
                      {"fits", json_value(video.fits(), video.refusal)},
                      {"residency", enum_name(video.memory.dit_residency)},
                      {"peak_device_bytes", video.memory.predicted_peak},
                      {"page_locked_host_bytes", video.host_bytes},
                      {"memory", OrderedJson::array()},
                      {"seconds", OrderedJson::array()}};
  for (const StageMemory& stage : video.memory.stages) json["memory"].push_back(json_of(stage));
  for (const ExpectedStage& stage : video.stages)
    json["seconds"].push_back({{"stage", key_of(stage.role)}, {"seconds", number_or(stage.seconds, stage.reason)}});
  json["known_seconds"] = number_or(video.seconds(), "no_seconds_of_a_step");
  return json;
}

OrderedJson json_of(const std::string& stage, const StageFit& fit, const std::vector<PublishedVideo>& videos,
                    std::optional<double> PublishedVideo::*measured) {
  OrderedJson json = {{"stage", stage}, {"costs", fit.costs}, {"videos", OrderedJson::array()}};
  for (size_t i = 0; i < videos.size(); ++i) {
    const PublishedVideo& video = videos[i];
    if (!(video.*measured)) continue;
    json["videos"].push_back({{"model", video.model},
                              {"width", video.width},
                              {"height", video.height},
                              {"num_frames", video.num_frames},
                              {"recipe", video.recipe},
                              {"measured_s", *(video.*measured)},
                              {"error", number_or(fit.errors[i], "too_few_records")},
                              {"left_out_error", number_or(fit.left_out[i], "too_few_records")}});
  }
  return json;
}

OrderedJson json_of(const CardSeconds& seconds) {
  const auto& videos = seconds.published.videos;
  return {json_of("text_encoding", seconds.fits.text, videos, &PublishedVideo::text_s),
          json_of("vae_encoding", seconds.fits.image, videos, &PublishedVideo::image_s),
          json_of("step", seconds.fits.step, videos, &PublishedVideo::step_s),
          json_of("copies", seconds.fits.copy, videos, &PublishedVideo::copy_s),
          json_of("vae_decoding", seconds.fits.decode, videos, &PublishedVideo::decode_s)};
}

OrderedJson bytes_or(const std::optional<uint64_t>& bytes, std::string_view reason) {
  return bytes ? json_value(*bytes) : json_value(nullptr, reason);
}

OrderedJson json_of(const std::optional<FitPeak>& peak, std::string_view reason) {
  if (!peak) return json_value(nullptr, reason);
  OrderedJson json = {{"residency", peak->residency}, {"peak_device_bytes", peak->bytes}, {"recipe", peak->recipe}};
  if (!peak->device.empty()) json["device"] = peak->device;
  return json_value(std::move(json));
}

}  // namespace

OrderedJson json_of(const PlannedCard& card, const std::vector<VideoPlan>& videos) {
  OrderedJson document = json_document("wanbench.plan", 1, 3);
  const std::string unknown = card.name.empty() ? card.why_no_card : "not_in_the_table";
  document["card"] = {
      {"name", card.name.empty() ? json_value(nullptr, card.why_no_card) : json_value(card.name)},
      {"total_bytes", bytes_or(card.total_bytes, unknown)},
      {"room_bytes", bytes_or(card.room_bytes, unknown)},
      {"room_is", card.room_words.empty() ? json_value(nullptr, unknown) : json_value(card.room_words)},
      {"fits", card.seconds ? json_value(json_of(*card.seconds)) : json_value(nullptr, card.why_no_seconds)}};
  document["videos"] = OrderedJson::array();
  for (const VideoPlan& video : videos) document["videos"].push_back(json_of(video));
  return document;
}

OrderedJson json_of(const std::vector<FitRow>& rows) {
  OrderedJson document = json_document("wanbench.plan_table", 1, 1);
  document["rows"] = OrderedJson::array();
  for (const FitRow& row : rows) {
    OrderedJson json = {{"model", row.model},
                        {"width", row.width},
                        {"height", row.height},
                        {"num_frames", row.num_frames},
                        {"stored_as", row.stored},
                        {"page_locked_host_bytes",
                         row.host_bytes > 0 ? json_value(row.host_bytes) : json_value(nullptr, "never_streamed")},
                        {"cells", OrderedJson::array()}};
    for (size_t i = 0; i < kFitGib.size(); ++i) {
      const FitCell& cell = row.cells[i];
      json["cells"].push_back({{"memory_gib", kFitGib[i]},
                               {"predicted", json_of(cell.predicted, "fits_nowhere")},
                               {"measured", json_of(cell.published, "no_published_record")}});
    }
    document["rows"].push_back(std::move(json));
  }
  return document;
}

}  // namespace wan::cli
