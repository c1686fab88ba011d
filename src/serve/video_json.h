// The documents of the API: a video, a list of them, the model, an error. Shape and names of the open servers, with
// what only this one knows beside them.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "serve/api_error.h"
#include "serve/service.h"

namespace wan::serve {

using OrderedJson = nlohmann::ordered_json;

OrderedJson video_json(const VideoView& video, const ServiceOptions& options);
OrderedJson model_json(const ServedModel& model);
OrderedJson error_json(const ApiError& error);

/// What was decided for an order when it was taken in, beside what was given: the text of Job::order.
std::string order_text(const Order& order, const Decisions& decisions);

/// What a video took beside time.
struct VideoCosts {
  std::optional<double> energy_j;
  std::string no_energy;  // why it is not known
  std::optional<HourPrice> hour;
};

/// What a completed job keeps of its making: the text of Job::result.
std::string result_text(const LiveVideo& live, const suite::Finished& finished, const VideoCosts& costs);

/// As text for an answer or a stream; bytes that are no UTF-8 are replaced.
std::string text_of(const OrderedJson& json);

}  // namespace wan::serve
