// Boost.Beast over Boost.Asio on the thread that calls run_until. An exchange is a connection of its own: videos take
// seconds, a connection a fraction of a millisecond.
#include "load/http_client.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

#include <fmt/format.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>

#include "base/clock.h"
#include "base/error.h"

namespace wan::load {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using tcp = net::ip::tcp;
using Code = beast::error_code;

constexpr size_t kPiece = 16 << 10;

std::chrono::nanoseconds duration_of(double seconds) {
  constexpr double kMostSeconds = 1e9;
  return std::chrono::nanoseconds(static_cast<int64_t>(std::clamp(seconds, 0.0, kMostSeconds) * 1e9));
}

HttpAnswer without_answer(const std::string& doing, const Code& code) {
  HttpAnswer answer;
  const bool is_too_much =
      code == http::error::body_limit || code == http::error::header_limit || code == websocket::error::message_too_big;
  const bool is_protocol = code.category() == Code(http::error::bad_version).category() &&
                           code != http::error::end_of_stream && code != http::error::partial_message;
  answer.is_unreachable = !is_too_much && !is_protocol;
  answer.problem = code == beast::error::timeout ? doing + ": no answer in time" : doing + ": " + code.message();
  return answer;
}

}  // namespace

/// One thing that is under way.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  virtual ~Exchange() = default;
  virtual void start() = 0;
  /// Without another word.
  void end() {
    is_ended_ = true;
    close();
  }

 protected:
  virtual void close() = 0;

  /// What goes on only while nobody ended it.
  template <class Call>
  auto next(Call call) {
    return [self = shared_from_this(), this, call](Code code, const auto&...) {
      if (!is_ended_) call(code);
    };
  }

  bool is_ended_ = false;
};

struct HttpClient::State {
  State(Url target, HttpBounds limits, std::vector<std::pair<std::string, std::string>> fields)
      : url(std::move(target)), bounds(limits), headers(std::move(fields)), resolver(context) {}

  Number enter(std::shared_ptr<Exchange> exchange) {
    const Number number = ++last_number;
    Exchange& entered = *exchange;
    exchanges.emplace(number, std::move(exchange));
    entered.start();
    return number;
  }

  /// The host's addresses: asked for once, before anything is measured.
  const tcp::resolver::results_type& addresses() {
    if (found) return *found;
    Code code;
    found = resolver.resolve(url.host, url.port, code);
    if (code) found.reset();
    require(!code, fmt::format("--target: the host '{}' is not found: {}", url.host, code.message()),
            ErrorKind::kRuntime);
    return *found;
  }

  http::request<http::string_body> request_of(const HttpAsk& ask) const {
    http::request<http::string_body> request(http::string_to_verb(ask.method), url.base + ask.path, 11);
    request.set(http::field::host, url.authority());
    request.set(http::field::user_agent, "wanbench");
    request.set(http::field::connection, "close");
    for (const auto& [name, value] : headers) request.set(name, value);
    if (!ask.content_type.empty()) request.set(http::field::content_type, ask.content_type);
    request.body() = ask.body;
    request.prepare_payload();
    return request;
  }

  Url url;
  HttpBounds bounds;
  std::vector<std::pair<std::string, std::string>> headers;
  Number last_number = 0;
  net::io_context context{1};
  tcp::resolver resolver;
  std::optional<tcp::resolver::results_type> found;
  std::map<Number, std::shared_ptr<Exchange>> exchanges;  // ends before the context
  bool is_interrupted = false;
};

namespace {

/// A request with its whole answer, or with the pieces of an answer that goes on.
class HttpExchange final : public Exchange {
 public:
  HttpExchange(HttpClient::State& state, const HttpAsk& ask, std::function<void(std::string_view)> piece,
               std::function<void(HttpAnswer)> done)
      : state_(state),
        stream_(state.context),
        request_(state.request_of(ask)),
        piece_(std::move(piece)),
        done_(std::move(done)) {
    parser_.header_limit(state.bounds.header_bytes);
    parser_.body_limit(piece_ ? std::numeric_limits<uint64_t>::max() : state.bounds.answer_bytes);
  }

  void start() override {
    stream_.expires_after(duration_of(state_.bounds.exchange_s));
    stream_.async_connect(state_.addresses(), next([this](Code code) {
                            if (code) return finish(without_answer("connecting", code));
                            write();
                          }));
  }

 private:
  void close() override { stream_.close(); }

  void write() {
    http::async_write(stream_, request_, next([this](Code code) {
                        if (code) return finish(without_answer("sending", code));
                        http::async_read_header(stream_, buffer_, parser_, next([this](Code read) {
                                                  if (read) return finish(without_answer("reading the answer", read));
                                                  read_piece();
                                                }));
                      }));
  }

  bool goes_on() const { return piece_ && parser_.get().result_int() == 200; }

  void read_piece() {
    if (parser_.is_done()) return finish({});
    if (goes_on()) stream_.expires_after(duration_of(state_.bounds.silence_s));
    parser_.get().body().data = room_;
    parser_.get().body().size = sizeof(room_);
    http::async_read_some(stream_, buffer_, parser_, next([this](Code code) {
                            if (code == http::error::need_buffer) code = {};
                            const size_t count = sizeof(room_) - parser_.get().body().size;
                            const std::string_view text(room_, count);
                            if (!goes_on() && body_.size() + count > state_.bounds.answer_bytes)
                              code = http::error::body_limit;
                            if (code) return finish(without_answer("reading the answer", code));
                            if (goes_on())
                              piece_(text);
                            else
                              body_ += text;
                            if (!is_ended_) read_piece();
                          }));
  }

  void finish(HttpAnswer answer) {
    is_ended_ = true;
    if (answer.problem.empty()) {
      answer.status = static_cast<int>(parser_.get().result_int());
      answer.body = std::move(body_);
    }
    stream_.close();
    done_(std::move(answer));
  }

  HttpClient::State& state_;
  beast::tcp_stream stream_;
  http::request<http::string_body> request_;
  http::response_parser<http::buffer_body> parser_;
  beast::flat_buffer buffer_;
  std::function<void(std::string_view)> piece_;
  std::function<void(HttpAnswer)> done_;
  std::string body_;
  char room_[kPiece];
};

/// Texts that the server sends, until it ends.
class Socket final : public Exchange {
 public:
  Socket(HttpClient::State& state, std::string path, std::function<void()> open, std::function<void(std::string)> text,
         std::function<void(HttpAnswer)> done)
      : state_(state),
        stream_(state.context),
        path_(std::move(path)),
        open_(std::move(open)),
        text_(std::move(text)),
        done_(std::move(done)) {}

  void start() override {
    beast::get_lowest_layer(stream_).expires_after(duration_of(state_.bounds.exchange_s));
    beast::get_lowest_layer(stream_).async_connect(
        state_.addresses(), next([this](Code code) {
          if (code) return finish("connecting", code);
          beast::get_lowest_layer(stream_).expires_never();
          stream_.read_message_max(state_.bounds.message_bytes);
          stream_.set_option(websocket::stream_base::timeout{duration_of(state_.bounds.exchange_s),
                                                             websocket::stream_base::none(), false});
          stream_.set_option(websocket::stream_base::decorator([this](websocket::request_type& request) {
            for (const auto& [name, value] : state_.headers) request.set(name, value);
          }));
          stream_.async_handshake(state_.url.authority(), state_.url.base + path_, next([this](Code shaken) {
                                    if (shaken) return finish("opening the websocket", shaken);
                                    open_();
                                    read();
                                  }));
        }));
  }

 private:
  void close() override { beast::get_lowest_layer(stream_).close(); }

  void read() {
    stream_.async_read(buffer_, next([this](Code code) {
                         if (code) return finish("reading the websocket", code);
                         if (stream_.got_text()) text_(beast::buffers_to_string(buffer_.data()));
                         buffer_.consume(buffer_.size());
                         if (!is_ended_) read();
                       }));
  }

  void finish(const std::string& doing, const Code& code) {
    is_ended_ = true;
    done_(without_answer(doing, code));
  }

  HttpClient::State& state_;
  websocket::stream<beast::tcp_stream> stream_;
  std::string path_;
  beast::flat_buffer buffer_;
  std::function<void()> open_;
  std::function<void(std::string)> text_;
  std::function<void(HttpAnswer)> done_;
};

class Pause final : public Exchange {
 public:
  Pause(HttpClient::State& state, double seconds, std::function<void()> then)
      : timer_(state.context, duration_of(seconds)), then_(std::move(then)) {}

  void start() override {
    timer_.async_wait(next([this](Code code) {
      if (!code) then_();
    }));
  }

 private:
  void close() override { timer_.cancel(); }

  net::steady_timer timer_;
  std::function<void()> then_;
};

}  // namespace

void require_http_client() {}

HttpClient::HttpClient(Url url, HttpBounds bounds, std::vector<std::pair<std::string, std::string>> headers)
    : state_(std::make_unique<State>(std::move(url), bounds, std::move(headers))) {}

HttpClient::~HttpClient() {
  for (const auto& [number, exchange] : state_->exchanges) exchange->end();
}

double HttpClient::now_s() const { return seconds_from_ns(monotonic_ns()).value; }

HttpClient::Number HttpClient::ask(HttpAsk ask, std::function<void(HttpAnswer)> done) {
  return stream(std::move(ask), nullptr, std::move(done));
}

HttpClient::Number HttpClient::stream(HttpAsk ask, std::function<void(std::string_view)> piece,
                                      std::function<void(HttpAnswer)> done) {
  const Number number = state_->last_number + 1;
  auto leave = [this, number, done = std::move(done)](HttpAnswer answer) {
    state_->exchanges.erase(number);
    done(std::move(answer));
  };
  return state_->enter(std::make_shared<HttpExchange>(*state_, ask, std::move(piece), std::move(leave)));
}

HttpClient::Number HttpClient::listen(const std::string& path, std::function<void()> open,
                                      std::function<void(std::string)> text, std::function<void(HttpAnswer)> done) {
  const Number number = state_->last_number + 1;
  auto leave = [this, number, done = std::move(done)](HttpAnswer answer) {
    state_->exchanges.erase(number);
    done(std::move(answer));
  };
  return state_->enter(std::make_shared<Socket>(*state_, path, std::move(open), std::move(text), std::move(leave)));
}

HttpClient::Number HttpClient::after(double seconds, std::function<void()> then) {
  const Number number = state_->last_number + 1;
  auto leave = [this, number, then = std::move(then)] {
    state_->exchanges.erase(number);
    then();
  };
  return state_->enter(std::make_shared<Pause>(*state_, seconds, std::move(leave)));
}

void HttpClient::forget(Number number) {
  const auto found = state_->exchanges.find(number);
  if (found == state_->exchanges.end()) return;
  found->second->end();
  state_->exchanges.erase(found);
}

void HttpClient::run_until(double until_s) {
  state_->is_interrupted = false;
  state_->context.restart();
  for (double now = now_s(); now < until_s && !state_->is_interrupted; now = now_s()) {
    const auto wait = duration_of(std::min(until_s - now, 0.1));
    if (state_->context.run_one_for(wait) == 0 && state_->context.stopped()) {
      // Nothing is under way: time alone passes.
      net::steady_timer timer(state_->context, wait);
      Code ignored;
      state_->context.restart();
      timer.wait(ignored);
    }
  }
  state_->context.poll_one();  // one: a server that never pauses always has another
}

void HttpClient::interrupt() { state_->is_interrupted = true; }

}  // namespace wan::load
