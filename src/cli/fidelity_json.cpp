// The JSON of `wanbench fidelity`.
#include "cli/fidelity_result.h"

namespace wan::cli {
namespace {

OrderedJson json_of(const Score& score) {
  return score.value ? json_value(*score.value) : json_value(nullptr, score.reason);
}

OrderedJson json_of(const FramesFacts& facts) {
  const bool is_mp4 = facts.storage == FrameStorage::kMp4;
  return {{"video", facts.path.string()}, {"stored_as", is_mp4 ? "mp4" : "png"}, {"includes_codec", is_mp4}};
}

OrderedJson json_of(const MetricText& text, const MetricResult& metric, ByFrame by_frame) {
  OrderedJson json = {
      {"mean", json_of(metric.mean)},
      {"worst", json_of(metric.worst)},
      {"worst_frame", metric.worst_frame ? json_value(*metric.worst_frame) : json_value(nullptr, metric.worst.reason)}};
  if (!text.unit.empty()) json["unit"] = text.unit;
  if (by_frame == ByFrame::kNo) return json;
  json["by_frame"] = OrderedJson::array();
  for (const Score& score : metric.by_frame) json["by_frame"].push_back(json_of(score));
  return json;
}

OrderedJson json_of(const std::vector<LatentStep>& steps) {
  OrderedJson list = OrderedJson::array();
  for (const LatentStep& step : steps)
    list.push_back({{"step", step.step}, {"relative_l2", json_of(step.relative_l2)}, {"cosine", json_of(step.cosine)}});
  return list;
}

}  // namespace

OrderedJson json_of(const FidelityReport& report, ByFrame by_frame) {
  const FidelityResult& videos = report.videos;
  const std::optional<double> fps = videos.reference.fps ? videos.reference.fps : videos.test.fps;
  OrderedJson json = json_document("wanbench.fidelity", 1, 0);
  json["a"] = json_of(videos.reference);
  json["b"] = json_of(videos.test);
  json["width"] = videos.reference.width;
  json["height"] = videos.reference.height;
  json["frames"] = videos.frames;
  json["fps"] = fps ? json_value(*fps) : json_value(nullptr, "png_files_do_not_say");
  json["identical"] = videos.identical;
  for (const MetricText& text : kMetricTexts)
    json["metrics"][std::string(text.key)] = json_of(text, videos.of(text.metric), by_frame);
  json["latents"] = report.latents ? json_value(json_of(*report.latents)) : json_value(nullptr, "no_dumps_given");
  return json;
}

}  // namespace wan::cli
