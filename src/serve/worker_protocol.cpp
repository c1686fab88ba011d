#include "serve/worker_protocol.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_parse.h"
#include "base/json_reader.h"

namespace wan::serve {
namespace {

using Json = nlohmann::json;

constexpr Bounds<int64_t> kNumber{1};
constexpr Bounds<double> kSeconds{0, 1e12};
constexpr const char* kExpected = "expected_video";
constexpr const char* kPreview = "preview_made";
constexpr Bounds<int> kStep{1, 1'000'000};

std::string line_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

struct OrderWriter {
  Json operator()(const MakeOrder& make) const {
    return {{"type", "make"},
            {"number", make.number},
            {"request", make.request},
            {"video", make.video.string()},
            {"poster", make.poster.string()},
            {"last_frame", make.last_frame.string()},
            {"preview", make.preview.string()}};
  }
  Json operator()(const CancelOrder& cancel) const { return {{"type", "cancel"}, {"number", cancel.number}}; }
};

[[noreturn]] void refuse(std::string_view who, const Error& problem, std::string_view line) {
  constexpr size_t kShown = 120;
  throw Error(ErrorKind::kInput,
              fmt::format("a line from the {} cannot be read ({}): {}", who, problem.what(), line.substr(0, kShown)));
}

WorkerOrder order_of(std::string_view line) {
  const Json json = parse_json(line, "an order");
  JsonReader reader(json, "an order");
  std::string type;
  int64_t number = 0;
  reader.read("type", type);
  reader.read("number", number, kNumber);
  require(number > 0, "an order: field 'number' is missing");
  if (type == "cancel") return CancelOrder{number};
  require(type == "make", fmt::format("an order: unknown type '{}'", type));
  MakeOrder make;
  make.number = number;
  reader.read("request", make.request);
  reader.read("video", make.video);
  reader.read("poster", make.poster);
  reader.read("last_frame", make.last_frame);
  reader.read("preview", make.preview);
  reader.refuse_unknown();
  return make;
}

}  // namespace

std::string encode(const WorkerOrder& order) { return line_of(std::visit(OrderWriter{}, order)); }

WorkerOrder decode_order(std::string_view line) {
  try {
    return order_of(line);
  } catch (const Error& problem) {
    refuse("server", problem, line);
  }
}

std::string encode(const ExpectedVideo& expected) {
  return line_of({{"type", kExpected},
                  {"seconds", expected.seconds},
                  {"peak_bytes", expected.peak_bytes},
                  {"basis", expected.basis}});
}

std::string encode(const PreviewMade& made) { return line_of({{"type", kPreview}, {"step", made.step}}); }

WorkerMessage decode_message(std::string_view line) {
  const auto may_be = [&](const char* type) { return line.find(type) != std::string_view::npos; };
  if (!may_be(kExpected) && !may_be(kPreview)) return suite::decode(line);
  try {
    const Json json = parse_json(line, "a message");
    JsonReader reader(json, "a message");
    std::string type;
    reader.read("type", type);
    if (type == kPreview) {
      PreviewMade made;
      reader.read("step", made.step, kStep);
      reader.refuse_unknown();
      return made;
    }
    if (type != kExpected) return suite::decode(line);
    ExpectedVideo expected;
    reader.read("seconds", expected.seconds, kSeconds);
    reader.read("peak_bytes", expected.peak_bytes);
    reader.read("basis", expected.basis);
    reader.refuse_unknown();
    return expected;
  } catch (const Error& problem) {
    refuse("worker", problem, line);
  }
}

}  // namespace wan::serve
