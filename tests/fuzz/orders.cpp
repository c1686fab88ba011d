// An order of a client, and what stands in the head of its request.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/json_parse.h"
#include "pipeline/request_json.h"
#include "serve/api_error.h"
#include "serve/order.h"
#include "targets.h"

namespace wan::fuzz {
namespace {

serve::ServedModel model() {
  serve::ServedModel model;
  model.name = "small";
  model.fps = 24;
  model.image = serve::TakesImage::kMay;
  model.takes_last_image = true;
  return model;
}

/// What the service does with an order: the request and what was given are written and read again.
void check_order(const serve::Order& order) {
  check(!order.request.prompt.empty(), "an order without a prompt was taken");
  check(order.request.image.empty() && order.request.output.empty(), "a client named a file");
  const nlohmann::json given = read_again([&] { return parse_json(order.given, "given"); });
  check(given.is_object(), "what was given is an object");
  const Request again = read_again([&] { return request_from_json(request_json(order.request)); });
  check(again == order.request, "a request is read as it was written");
}

}  // namespace

void orders(Bytes input) {
  const auto [type, body] = cut_at_nul(input);
  serve::HttpRequest request;
  request.head.headers["content-type"] = type.empty() ? "application/json" : std::string(type);
  request.body = body;
  for (const uint64_t size : {uint64_t{0}, uint64_t{1000}}) {
    const serve::RangeAnswer range = serve::parse_range(type, size);
    if (range.kind == serve::RangeKind::kPart)
      check(range.range.length > 0 && range.range.first + range.range.length <= size, "a range is within the file");
  }
  serve::parse_query(type);
  try {
    check_order(serve::read_order(request, model(), {}));
  } catch (const serve::ApiError& refusal) {
    check(refusal.status() >= 400 && refusal.status() < 500, "a client's fault is told as one");
    throw Error(ErrorKind::kInput, refusal.what());
  }
}

}  // namespace wan::fuzz
