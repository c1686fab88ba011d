#include "pipeline/text_stage.h"

#include <sys/stat.h>

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "base/error.h"
#include "model/cost.h"
#include "model/text_cleaning.h"
#include "model/tokenizer.h"

namespace wan {
namespace {

/// Without a tokenizer: as many tokens as the words would roughly give, ids spread over the vocabulary.
std::vector<int32_t> invented_ids(const std::string& text, int64_t vocabulary) {
  std::vector<int32_t> ids;
  for (size_t i = 0; i < std::min<size_t>(511, text.size() / 4 + 1); ++i)
    ids.push_back(
        static_cast<int32_t>((i * 7919 + static_cast<unsigned char>(text.empty() ? 0 : text[i % text.size()])) %
                             static_cast<size_t>(vocabulary)));
  ids.push_back(1);
  return ids;
}

/// Says to the ranks that wait for the text how far its encoder is.
class AnnouncedLayers final : public LayerSource {
 public:
  AnnouncedLayers(LayerSource& layers, RankGroups* ranks) : layers_(layers), ranks_(ranks) {}
  TensorView acquire(int index) override {
    const TensorView slab = layers_.acquire(index);
    if (ranks_ != nullptr) ranks_->all.advance("a layer of the text encoder");
    return slab;
  }
  void release(int index) override { layers_.release(index); }

 private:
  LayerSource& layers_;
  RankGroups* ranks_;
};

/// The weights as they lie in their files, and what computes with them.
std::string encoder_identity(const StageContext& context) {
  const Models& m = context.models;
  std::string identity = fmt::format("{}|{}", context.plan.text_encoder_device, context.request.tuning_table.string());
  if (!m.set.checkpoint) return identity + "|random weights";
  for (const MappedFile& file : m.set.checkpoint->text_encoder.file().files()) {
    struct stat facts {};
    require(::fstat(file.descriptor(), &facts) == 0, "cannot ask for the facts of " + file.path().string());
    identity += fmt::format("|{}:{}:{}:{}.{:09}", facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtim.tv_sec,
                            facts.st_mtim.tv_nsec);
  }
  return identity;
}

}  // namespace

void TextStage::start() {
  if (cache_.is_on()) {
    look_up();
    const auto known = std::count_if(rows_.begin(), rows_.end(), [](const Tensor& rows) { return !rows.empty(); });
    context_.observer.on_fact("prompts_from_cache", fmt::format("{} of {}", known, rows_.size()));
    if (known == std::ssize(rows_)) return;
  }
  store_ = context_.models.make_text_store(context_.plan);
  store_->start();
}

void TextStage::look_up() {
  const std::string encoder = encoder_identity(context_);
  for (std::vector<int32_t>& ids : tokenize()) {
    prompts_.push_back({encoder, compute(), std::move(ids)});
    rows_.push_back(cache_.find(prompts_.back()));
  }
}

std::vector<std::vector<int32_t>> TextStage::tokenize() const {
  const ModelSet& set = context_.models.set;
  const Plan& plan = context_.plan;
  std::vector<std::string> prompts{plan.prompt};
  if (plan.uses_negative_prompt()) prompts.push_back(plan.negative_prompt);
  std::vector<std::vector<int32_t>> ids;
  if (!set.checkpoint) {
    for (const std::string& prompt : prompts) ids.push_back(invented_ids(prompt, set.text.vocabulary));
    return ids;
  }
  // Kept where prompts are; read anew otherwise, as it is part of what a request costs.
  std::optional<Tokenizer> own;
  std::optional<Tokenizer>& kept = cache_.is_on() ? context_.models.tokenizer : own;
  if (!kept) kept.emplace(open_tokenizer(*set.checkpoint));
  for (const std::string& prompt : prompts) ids.push_back(kept->encode(clean_prompt(prompt)));
  return ids;
}

std::vector<Tensor> TextStage::encode() {
  context_.enter(StageRole::kTextEncoding);
  Models& m = context_.models;
  if (!cache_.is_on())
    rows_ = run_encoder(tokenize());
  else if (store_)
    encode_missing();
  if (store_ && !m.text_backend) {
    context_.clock.add_waits(store_->take_waits());
    context_.clock.add_copies(store_->take_copies());
  }
  report_memory(context_, store_.get(), 0);
  store_.reset();
  context_.dump.add("text.positive", rows_[0]);
  if (rows_.size() > 1) context_.dump.add("text.negative", rows_[1]);
  return std::move(rows_);
}

/// A prompt's rows do not depend on what is encoded beside it.
void TextStage::encode_missing() {
  std::vector<std::vector<int32_t>> missing;
  for (size_t i = 0; i < rows_.size(); ++i)
    if (rows_[i].empty()) missing.push_back(prompts_[i].ids);
  std::vector<Tensor> encoded = run_encoder(missing);
  auto next = encoded.begin();
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (!rows_[i].empty()) continue;
    rows_[i] = std::move(*next++);
    cache_.keep(prompts_[i], rows_[i]);
  }
}

std::vector<Tensor> TextStage::run_encoder(const std::vector<std::vector<int32_t>>& ids) {
  Models& m = context_.models;
  Backend& backend = m.text_device();
  for (const auto& prompt : ids)
    context_.clock.add_flops(text_encoder_cost(m.set.text, static_cast<int64_t>(prompt.size())));
  const WeightLayout layout = text_encoder_norm_layout(m.set.text);
  const WeightPart& norm_part = layout.slots().front().parts.front();
  Tensor norm_host = host_tensor(DType::kF32, norm_part.shape);
  m.text_source->read(norm_part, 0, norm_part.shape.count(), DType::kF32, norm_host->data);
  const Tensor norm = backend.allocate(DType::kF32, norm_part.shape, "text encoder weights");
  backend.upload(norm_host, norm);
  AnnouncedLayers layers(*store_, context_.ranks);
  return encode_text(backend, m.set.text, compute(), *m.text_source, norm, layers, ids);
}

}  // namespace wan
