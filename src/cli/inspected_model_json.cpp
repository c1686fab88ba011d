// The document of `inspect --json` of a model.
#include <utility>

#include "cli/inspected_model.h"
#include "model/official_layout.h"

namespace wan::cli {
namespace {

OrderedJson json_of(const Component& c) {
  OrderedJson types = OrderedJson::object();
  for (const auto& [type, count] : c.by_type) types[type] = percent_of(count, c);
  return {{"component", c.key},
          {"parameters", c.parameters},
          {"tensors", c.tensors},
          {"bytes", c.bytes},
          {"stored_percent", std::move(types)},
          {"file", c.file},
          {"evidence", c.evidence},
          {"schemes", c.by_scheme}};
}

OrderedJson missing_json(const SiblingParts& siblings) {
  OrderedJson missing = OrderedJson::array();
  for (const MissingPart& part : siblings.missing)
    missing.push_back({{"part", part.part}, {"flag", part.flag}, {"why", part.why}});
  return missing;
}

OrderedJson defaults_json(const InspectedModel& found) {
  const Plan& plan = found.defaults;
  const auto low_noise_from = plan.low_noise_from_step();
  OrderedJson json{{"width", plan.width},
                   {"height", plan.height},
                   {"num_frames", plan.num_frames},
                   {"fps", plan.fps},
                   {"steps", plan.steps}};
  json["shift"] = plan.shift ? OrderedJson(*plan.shift) : OrderedJson(nullptr);
  json["guidance_low"] = plan.guidance_low;
  json["guidance_high"] = plan.guidance_high;
  json["recipe"] = plan.recipe->name;
  json["low_noise_from_step"] =
      low_noise_from ? json_value(OrderedJson(*low_noise_from)) : json_value(nullptr, "one_dit");
  json["said_by"] = found.has_own_defaults ? kCheckpointDefaultsName : "model";
  return json;
}

}  // namespace

OrderedJson json_of(const InspectedModel& found) {
  const DitConfig& dit = found.models.dit;
  const TextEncoderConfig& text = found.models.text;
  OrderedJson json = json_document("wanbench.inspect", 1, 2);
  json["kind"] = "model";
  json["folder"] = found.folder.string();
  json["layout"] = found.layout;
  json["tokenizer"] = found.tokenizer.empty() ? OrderedJson(nullptr) : OrderedJson(found.tokenizer);
  json["heads_by"] = found.heads_evidence;
  json["generate"] = generate_command(found).text();
  json["model"] = model_name(found.variant(), dit);
  json["task"] = found.variant().task;
  json["description"] = found.variant().description;
  json["components"] = OrderedJson::array();
  for (const Component& each : found.components) json["components"].push_back(json_of(each));
  json["found"] = found.siblings.found;
  json["missing"] = missing_json(found.siblings);
  json["dit"] = {{"layers", dit.num_layers},
                 {"width", dit.dim},
                 {"heads", dit.num_heads},
                 {"head_width", dit.head_dim()},
                 {"feed_forward_width", dit.ffn_dim},
                 {"channels_in", dit.in_dim},
                 {"channels_out", dit.out_dim}};
  json["text_encoder"] = nullptr;
  if (!found.lacks("--text-encoder"))
    json["text_encoder"] = {
        {"layers", text.num_layers}, {"width", text.dim}, {"heads", text.num_heads}, {"vocabulary", text.vocabulary}};
  json["defaults"] = defaults_json(found);
  put_needs(json, found.needs);
  const bool licensed = found.card && !found.card->licence.empty();
  json["licence"] =
      licensed ? json_value(found.card->licence) : json_value(nullptr, found.card ? "not_said_in_readme" : "no_readme");
  json["model_card"] = found.card ? json_value(found.card->text) : json_value(nullptr, "no_readme");
  return json;
}

}  // namespace wan::cli
