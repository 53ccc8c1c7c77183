#!/usr/bin/env ruby
# frozen_string_literal: true

# The contract `users` 1.0.0 as a minimal plugin in Ruby, with what comes with it, by protocol/SPEC.md alone.
# The first half is what this plugin does; the second, the protocol, is the same in any other.
require "json"

PLUGIN = { name: "users-ruby", version: "0.1.0" }.freeze
DATA_FILE = File.expand_path("../data/users.json", __dir__)
MANIFEST = JSON.parse(File.read(File.expand_path("../users.openrpc.json", __dir__)))
MANIFEST["info"].merge!("title" => PLUGIN[:name], "version" => PLUGIN[:version])

# What is answered in place of a result.
class Fault < StandardError
  attr_reader :error

  def initialize(code, message, data = nil)
    super(message)
    @error = { code:, message:, data: }.compact
  end
end

# What a value must be: whatever matches it with `===`, or a hash of such. A name that ends in `?` may be absent.
def list_of(pattern) = ->(value) { value.is_a?(Array) && value.all?(pattern) }
def at_least(least) = ->(value) { value.is_a?(Integer) && value >= least && value < 2**53 }

ID = { "opaque_id" => String, "idp" => String }.freeze
USER = {
  "id" => ID, "username" => String, "mail" => String, "display_name" => String,
  "groups?" => list_of(String), "opaque?" => Hash
}.freeze
CONFIG = { "file?" => ->(value) { value.nil? || value.is_a?(String) } }.freeze

# The users of a JSON file.
class Users
  # The methods of the contract: what their params must be, and what answers them.
  METHODS = {
    "users.on_load" => [{ "file" => String }, :on_load],
    "users.get_user" => [{ "id" => ID }, :get_user],
    "users.get_user_groups" => [{ "id" => ID }, :get_user_groups],
    "users.get_user_by_claim" => [
      { "claim" => /\A(mail|username|display_name)\z/, "value" => String }, :get_user_by_claim
    ],
    "users.find_users" => [{ "query" => String }, :find_users]
  }.freeze

  def configure(config)
    errors = faults(config, CONFIG) + unknown(config, CONFIG)
    begin
      @users = read(config["file"] || DATA_FILE) if errors.empty?
    rescue SystemCallError, ArgumentError, JSON::ParserError => e
      errors = [{ path: "/file", message: e.message.scrub }]
    end
    raise Fault.new(-32002, "the config is wrong", { errors: }) unless errors.empty?
  end

  def on_load(file:)
    @users = read(file)
    nil
  rescue SystemCallError, ArgumentError, JSON::ParserError => e
    reason = "#{file}: #{e.message.scrub}"
    raise Fault.new(2, "the users cannot be loaded: #{reason}", { reason: })
  end

  def get_user(id:) = find { |user| ID.keys.all? { |part| user["id"][part] == id[part] } }
  def get_user_groups(id:) = get_user(id:)["groups"]
  def get_user_by_claim(claim:, value:) = find { |user| user[claim] == value }

  def find_users(query:)
    @users.select do |user|
      texts = [*user.values_at("username", "display_name", "mail"), user["id"]["opaque_id"]]
      texts.any? { |text| text.downcase.include?(query.downcase) }
    end
  end

  private

  def find(&)
    @users.find(&) || raise(Fault.new(1, "no such user"))
  end

  def read(file)
    records = parse(File.binread(file))
    raise ArgumentError, "it is no list" unless records.is_a?(Array)

    records.each_with_index.map do |record, at|
      faults(record, USER).each { |wrong| raise ArgumentError, "/#{at}#{wrong[:path]} is missing or wrong" }
      { "groups" => [] }.merge(record.except("secret"))
    end
  end
end

# --- the protocol

# The longest line that is taken: what holds before the handshake, and is declared for after it.
LIMIT = 1 << 20
INITIALIZE = {
  "protocolVersions" => list_of(Integer),
  "host?" => { "name" => String, "version" => String },
  "instance?" => String,
  "limits?" => {
    "maxLineBytes?" => at_least(65_536), "maxInFlight?" => at_least(1), "maxDepth?" => at_least(1),
    "streamWindowBytes?" => at_least(65_536)
  },
  "capabilities?" => {
    "progress?" => Hash, "log?" => Hash, "streams?" => Hash, "callbacks?" => { "methods" => list_of(String) }
  }
}.freeze

# One grammar for what JSON.parse takes too: comments, NaN and the like, depending on its version.
JSON_WORDS = %r{\A(?>[ \t\r\n{}\[\]:,]|"(?>[^"\\\x00-\x1f]|\\(?>["\\/bfnrt]|u(?![dD][89a-fA-F])\h{4}
  |u[dD][89abAB]\h\h\\u[dD][c-fC-F]\h\h))*"|-?(?>0|[1-9]\d*)(?>\.\d+)?(?>[eE][-+]?\d+)?(?![\w.+-])|true|false|null)*+\z}x

def parse(bytes)
  text = bytes.dup.force_encoding(Encoding::UTF_8)
  raise JSON::ParserError, "it is not UTF-8" unless text.valid_encoding?
  raise JSON::ParserError, "it is no JSON" unless text.match?(JSON_WORDS)

  JSON.parse(text, max_nesting: 500)
end

def faults(value, shape, path = "")
  wrong = [{ path:, message: "missing or wrong" }]
  return shape === value ? [] : wrong unless shape.is_a?(Hash)
  return wrong unless value.is_a?(Hash)

  shape.flat_map do |key, inner|
    name = key.delete("?")
    value.key?(name) || name == key ? faults(value[name], inner, "#{path}/#{name}") : []
  end
end

def unknown(value, shape)
  names = value.is_a?(Hash) ? value.keys.reject { |name| shape.key?(name) || shape.key?("#{name}?") } : []
  names.map { |name| { path: "/#{name.gsub("~", "~0").gsub("/", "~1")}", message: "unknown" } }
end

# One connection, and who serves it.
class Session
  # What every plugin has.
  OWN = {
    "rpc.ping" => [{}, :ping],
    "rpc.discover" => [{}, :discover],
    "rpc.initialize" => [INITIALIZE, :initialized],
    "rpc.shutdown" => [{ "graceMs?" => at_least(0) }, :shut_down]
  }.freeze

  def initialize(service)
    @service = service
    @phase = :new # then :ready, then :closing
    @host_limit = LIMIT # the longest line that the host takes
  end

  # Takes a line, without its LF, or of one that is too long, only its length.
  def take(line, length)
    if length > LIMIT
      data = { limit: LIMIT, size: length }
      respond(nil, error: Fault.new(-32007, "the line is too long", data).error)
    elsif line.match?(/[^ \t\r]/n)
      answer(line)
    end
  end

  private

  def ping(_params) = {}
  def discover(_params) = MANIFEST

  def initialized(params)
    unless params["protocolVersions"].include?(1)
      raise Fault.new(-32001, "only version 1 is spoken here", { supported: [1] })
    end

    @service.configure(params.fetch("config", {}))
    @phase = :ready
    @host_limit = params.dig("limits", "maxLineBytes") || 16 << 20
    provides = MANIFEST["x-plugline"]["provides"]
    { protocolVersion: 1, plugin: PLUGIN, provides:, limits: { maxLineBytes: LIMIT, maxInFlight: 1 } }
  end

  def shut_down(_params)
    @phase = :closing
    nil
  end

  def call(name, params)
    raise Fault.new(-32003, "shutting down") if @phase == :closing && name != "rpc.ping"
    raise Fault.new(-32000, "not initialized") if @phase == :new && !OWN.key?(name)
    raise Fault.new(-32600, "initialized already") if @phase == :ready && name == "rpc.initialize"

    shape, run = OWN[name] || @service.class::METHODS[name] || raise(Fault.new(-32601, "no such method"))
    params = params.except("_meta") if params.is_a?(Hash)
    errors = faults(params, shape) + (OWN.key?(name) ? [] : unknown(params, shape))
    raise Fault.new(-32602, "the params are wrong", { errors: }) unless errors.empty?

    OWN.key?(name) ? send(run, params) : @service.public_send(run, **params.transform_keys(&:to_sym))
  end

  # Answers a line, but for a notification or a response.
  def answer(line)
    id = nil
    message = parse(line)
    raise Fault.new(-32600, "a message is an object") unless message.is_a?(Hash)

    method = message["method"]
    params = message.fetch("params", {})
    outcomes = message.slice("result", "error").size
    spoken = message["jsonrpc"] == "2.0"
    valid = id?(message["id"])
    notification = method.is_a?(String) && !message.key?("id") && outcomes.zero?
    response = outcomes == 1 && !message.key?("method") && valid && spoken
    return warn("ignored: #{line[0, 200].inspect}") if notification || response
    unless outcomes.zero? && message.key?("method") && valid
      raise Fault.new(-32600, "neither a request nor a notification")
    end

    id = message["id"]
    unless spoken && method.is_a?(String) && (params.is_a?(Hash) || params.is_a?(Array))
      raise Fault.new(-32600, "jsonrpc, method or params are wrong")
    end

    respond(id, result: call(method, params))
  rescue JSON::ParserError => e # with NestingError among them
    respond(nil, error: Fault.new(-32700, "the line is not JSON: #{e.message[0, 200].scrub}").error)
  rescue Fault => e
    respond(id, error: e.error)
  rescue Errno::EPIPE
    exit!(1) # nobody reads any more
  rescue StandardError => e # ours, not the host's
    warn e.full_message
    respond(id, error: Fault.new(-32603, "internal error").error)
  end

  def id?(id)
    id.is_a?(String) ? id.bytesize <= 256 : at_least(0).call(id)
  end

  def respond(id, **outcome)
    line = JSON.generate({ jsonrpc: "2.0", id: }.merge(outcome))
    if line.bytesize > @host_limit
      data = { limit: @host_limit, size: line.bytesize }
      respond(id, error: Fault.new(-32007, "the answer is too long", data).error)
    else
      $stdout.write(line, "\n")
      $stdout.flush
    end
  end
end

session = Session.new(Users.new)
busy = Mutex.new # held while lines are taken
# A trap may not wait for the mutex, but a thread may; SIGINT is meant for the host, who will say so.
trap("TERM") { Thread.new { busy.synchronize { exit!(0) } } }
trap("INT") {}

line = +"".b # what there is of the next line
length = 0
first = true
while (chunk = $stdin.readpartial(65_536) rescue nil)
  busy.synchronize do
    chunk.each_line("\n") do |part|
      length += part.bytesize
      line << part if length <= LIMIT + 1
      next unless part.end_with?("\n")

      line = line.delete_prefix("\xEF\xBB\xBF".b) if first
      session.take(line.delete_suffix("\n"), length - 1)
      line = +"".b
      length = 0
      first = false
    end
  end
end
