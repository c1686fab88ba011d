// What a client asks for, out of JSON or a form, within the server's bounds. Nothing here opens a file or decodes a
// picture.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/request.h"
#include "serve/http_message.h"

namespace wan::serve {

/// What a client may ask for at most. Videos of more are another server's business: one request holds a card for its
/// whole length.
struct OrderLimits {
  uint64_t image_bytes = uint64_t{32} << 20;
  size_t prompt_bytes = 8192;  // the text encoder takes 512 tokens
  int64_t side_pixels = 4096;
  int64_t frames = 721;
  int steps = 200;
};

/// Whether the model takes a picture.
enum class TakesImage { kNever, kMay, kMust };

/// What is served: one model, with the options of the command line.
struct ServedModel {
  std::string name;    // as clients call it
  std::string family;  // the engine's own name of it
  std::string task;
  Request base;  // what every request begins with
  int64_t width = 0, height = 0, num_frames = 0;
  double fps = 0;
  int64_t frame_stride = 4;  // a video has one frame and whole strides
  int steps = 0;
  std::string recipe, device;
  TakesImage image = TakesImage::kNever;
  bool takes_last_image = false;
};

struct Order {
  Request request;                      // over the base; without the pictures' files
  std::string first_image, last_image;  // bytes of PNG or JPEG; empty: none
  std::string given;                    // the fields as they were given, pictures as their digests: a JSON object
};

/// The bytes that the body of an order may have.
uint64_t order_bytes(const OrderLimits& limits);

/// Throws ApiError naming the field, what it may be and what was found.
Order read_order(const HttpRequest& request, const ServedModel& model, const OrderLimits& limits);

}  // namespace wan::serve
