#include "base/json_reader.h"

#include <algorithm>
#include <utility>

namespace wan {

using Json = nlohmann::json;

JsonReader::JsonReader(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
  if (!object_.is_object()) throw error("must be an object with named fields");
}

const Json* JsonReader::find(std::string_view key) {
  const auto found = object_.find(*known_.emplace(key).first);
  return found == object_.end() ? nullptr : &*found;
}

Error JsonReader::error(std::string_view what) const {
  return Error(ErrorKind::kInput, fmt::format("{}: {}", where_, what));
}

Error JsonReader::wrong(std::string_view key, std::string_view expected, const Json& found) const {
  return error(fmt::format("field '{}' must be {}, found {}", key, expected,
                           found.dump(-1, ' ', false, Json::error_handler_t::replace)));
}

void JsonReader::read(std::string_view key, std::string& value) {
  const Json* found = find(key);
  if (found == nullptr) return;
  if (!found->is_string()) throw wrong(key, "text", *found);
  value = *found;
}

void JsonReader::read(std::string_view key, std::filesystem::path& value) {
  const Json* found = find(key);
  if (found == nullptr) return;
  if (!found->is_string()) throw wrong(key, "a path", *found);
  const std::string text = found->get<std::string>();
  if (text.find('\0') != std::string::npos) throw wrong(key, "a path, without a byte of zero", *found);
  value = text;
}

void JsonReader::read(std::string_view key, bool& value) {
  const Json* found = find(key);
  if (found == nullptr) return;
  if (!found->is_boolean()) throw wrong(key, "true or false", *found);
  value = *found;
}

void JsonReader::read(std::string_view key, std::vector<std::string>& value) {
  const Json* found = find(key);
  if (found == nullptr) return;
  if (!found->is_array() || !std::all_of(found->begin(), found->end(), [](const Json& v) { return v.is_string(); }))
    throw wrong(key, "a list of texts", *found);
  value = found->get<std::vector<std::string>>();
}

void JsonReader::read(std::string_view key, std::optional<MemorySize>& value) {
  const Json* found = find(key);
  if (found == nullptr) return;
  const std::optional<double> gib = json_number<double>(*found);
  std::optional<MemorySize> size = gib ? memory_size(*gib) : std::nullopt;
  if (found->is_string()) size = memory_size(found->get_ref<const std::string&>());
  if (!size) throw wrong(key, kMemorySizeWords, *found);
  value = size;
}

void JsonReader::read(std::string_view key, Json& value) {
  if (const Json* found = find(key)) value = *found;
}

void JsonReader::refuse_unknown() const {
  for (const auto& [key, value] : object_.items())
    if (!known_.contains(key))
      throw error(fmt::format("unknown field '{}'; known fields: {}", key, fmt::join(known_, ", ")));
}

}  // namespace wan
