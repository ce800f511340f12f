"""chat_cases.py and the cases here -> kimi-k2-, qwen3.5-, qwen3- and llama3-chat.jsonl: prompts by the models' own
templates, which are run here and are no part of this project.

    chat_formats.py ORACLE_FOLDER OUT_FOLDER [RANDOM_SCHEMAS [SEED]]

ORACLE_FOLDER (README.md says from where): qwen3.5.jinja, qwen3.5-small.jinja, qwen3.6.jinja, qwen3.jinja,
qwen3-thinking.jinja, llama3.1.jinja, llama3.2.jinja, kimi-k2-thinking.jinja, kimi-k2-instruct.jinja (K2.5's and later ones'
prompts are kimi_chat.py's).

What a server does before the template, and the template does not: the role developer becomes system; a content of parts
becomes one text, that of an assistant who only calls becomes ""; arguments that came as JSON text become an object, unless
the template takes text; tools that are no functions are left out. A prompt that the template refuses is `"refused": true`.
"""
import copy
import json
import sys

import jinja2

from kimi_chat import with_kimi_ids
from chat_cases import CONVERSATIONS, WEATHER, assistant, cases, function, parts, properties, result, system, user

TODAY = "05 Dec 2026"
TEMPLATES = {"kimi-k2": ["kimi-k2-thinking", "kimi-k2-instruct"],
             "qwen3.5": ["qwen3.5", "qwen3.5-small", "qwen3.6"], "qwen3": ["qwen3", "qwen3-thinking"],
             "llama3": ["llama3.1", "llama3.2"]}

TRIP = [function("book", properties(["who", "legs"], who={"type": "string"}, legs={"type": "array", "items": {
    "type": "object", "properties": {"to": {"type": "string"}, "nights": {"type": "integer"}}}},
    price={"type": "number"}, window={"type": "boolean"}, note={"type": ["string", "null"]},
    how={"enum": ["train", "bike"]}, more={"type": "object", "properties": {"k": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}),
    "Book a trip.\nSeveral legs."), *WEATHER]
EVERY = {"who": "Zoë \"Q\"\nline two", "legs": [{"to": "Ōsaka", "nights": 2}, {"to": "", "nights": 0}], "price": 12.5,
         "window": True, "note": None, "how": "train", "more": {"k": None}, "n": -3, "f": 1e22, "t": "<parameter=x>"}
CONVERSATIONS2 = {
    "a call with every kind of value": dict(messages=[user("Go"), assistant("Booking.", ("a", "book", EVERY), thought="ok"),
                                                      result("a", "done")], tools=TRIP),
    "a call, and the next question": dict(messages=[user("Go"), assistant("", ("a", "book", json.dumps(EVERY))), result("a", "{\"ok\": 1}"),
                                                    assistant("Booked.", thought="Fine."), user("Thanks")], tools=TRIP),
    "one call, one result, an answer": dict(messages=[system("s"), user("q"), assistant("", ("a", "f", '{"x": [1, {"y": "z"}]}'), thought="t"),
                                                      result("a", "r\n"), assistant("x")], tools=WEATHER),
    "calls without arguments": dict(messages=[user("q"), assistant(None, ("a", "f", ""), thought="t"), result("a", "r"),
                                              assistant(None, ("b", "g", "{}")), result("b", "s")]),
    "thoughts within the content": dict(messages=[user("q"), assistant("<think>\nwhy\n</think>\n\nbecause"), user("q2")]),
    "thoughts within the last content": dict(messages=[user("q"), assistant("<think>\n\nwhy\n\n</think>\n\nbecause\n",
                                                                            ("a", "f", "{}")), result("a", "r")]),
    "thoughts that were not opened": dict(messages=[user("q"), assistant("why</think>because", ("a", "f", "{}")), result("a", "r")]),
    "thoughts twice": dict(messages=[user("q"), assistant("<think>a</think>b<think>c</think>d", ("a", "f", "{}")), result("a", "r")]),
    "empty thoughts": dict(messages=[user("q"), assistant("a", ("a", "f", "{}"), thought=""), result("a", "r"), assistant("b", thought="")]),
    "thoughts with space around": dict(messages=[user("q"), assistant("a", ("a", "f", "{}"), thought="\n\n  t \n\n"), result("a", "r")]),
    "a question wrapped as a result": dict(messages=[user("q"), assistant("a", ("a", "f", "{}"), thought="t"),
                                                     user("<tool_response>\nr\n</tool_response>")], as_text=True),
    "space of all kinds": dict(messages=[system("\u3000a\u00a0"), user("\u2003b\u2028"), assistant("\x1cc\x85", thought="\u00a0"), user("\ufeffd\u200b")]),
    "only a system turn": dict(messages=[system("s")]),
    "only a system turn, tools": dict(messages=[system("s")], tools=WEATHER),
    "an empty system turn": dict(messages=[system(""), user("q")]),
    "an empty system turn, tools": dict(messages=[system(""), user("q")], tools=WEATHER),
    "an empty first message, tools": dict(messages=[user("  "), assistant("x"), user("y")], tools=WEATHER),
    "no question, only an answer": dict(messages=[assistant("a")]),
    "two users in a row": dict(messages=[user("a"), user("b")]),
    "two answers in a row": dict(messages=[user("a"), assistant("b", thought="t"), assistant("c", thought="u")]),
    "ends with a result": dict(messages=[user("q"), assistant("", ("a", "f", "{}")), result("a", "one"), result("a", "two")]),
    "a result as parts": dict(messages=[user("q"), assistant("", ("a", "f", "{}")), result("a", parts("r\"", "é\n"))]),
    "several tools": dict(messages=[user("q")], tools=[*TRIP, function("ping")]),
    "thinking with tools off": dict(messages=[user("q")], tools=TRIP, thinking=False),
    "thinking preserved over calls": dict(messages=[user("1"), assistant("w", ("a", "f", "{}"), thought="t1"), result("a", "A"),
                                                    assistant("x", thought="t2"), user("2")], preserve_thinking=True),
    "today": dict(messages=[user("What day is it?")]),
}


def text_of(content):
    return "".join(p["text"] for p in content) if isinstance(content, list) else content


def prepared(case, name):
    takes_text = name in ("qwen3", "kimi-k2")
    messages = with_kimi_ids(case["messages"]) if name == "kimi-k2" else copy.deepcopy(case["messages"])
    for m in messages:
        m["role"] = {"developer": "system"}.get(m["role"], m["role"])
        m["content"] = text_of(m["content"]) or ""
        for call in m.get("tool_calls") or []:
            f = call["function"]
            if isinstance(f["arguments"], str) and not takes_text:
                f["arguments"] = json.loads(f["arguments"] or "{}")
    return messages


def environment():
    """As transformers makes it for chat templates."""
    def refuse(message):
        raise jinja2.TemplateError(message)
    env = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    env.filters["tojson"] = lambda v, indent=None, separators=None: json.dumps(v, ensure_ascii=False, indent=indent,
                                                                               separators=separators)
    env.globals["raise_exception"] = refuse
    env.globals["strftime_now"] = lambda form: TODAY
    return env


def render(template, case, name):
    tools = [t for t in case.get("tools") or [] if t.get("type") == "function"] or None
    more = {"preserve_thinking": True} if case.get("preserve_thinking") else {}
    try:
        return {"prompt": template.render(messages=prepared(case, name), tools=tools, bos_token="<|begin_of_text|>",
                                          enable_thinking=case.get("thinking", True), add_generation_prompt=True, **more)}
    except (jinja2.TemplateError, json.JSONDecodeError):
        return {"refused": True}


def of_format(name, n_random, seed):
    """Cases for one format, each with the template that makes its prompt: the first, unless the case is about another."""
    first = TEMPLATES[name][0]
    for case in cases(n_random, seed):
        if any(t.get("type") != "function" for t in case.get("tools") or []):
            continue  # the server takes these out before the format sees them
        yield first, case
    for title, case in CONVERSATIONS2.items():
        for template in TEMPLATES[name]:
            yield template, dict(name=title, **case)
    for template in TEMPLATES[name][1:]:
        for title in ("one question", "no thinking", "tools and system", "a chain keeps its reasoning", "the chain after an answer",
                      "the chain after an answer, no thinking", "arguments as an object"):
            yield template, dict(name=title, **CONVERSATIONS[title])


def wanted(template, case):
    """Without what only other templates have, and what has no one answer."""
    if case.get("preserve_thinking") and template != "qwen3.6":
        return False
    if template.startswith("kimi") and "think>" in json.dumps(case["messages"]):
        return False  # only Qwen's templates look for thoughts in the content
    # the copy of K2-Instruct's template at hand writes a newline after a default system turn, which no other version does
    return template != "kimi-k2-instruct" or case["messages"][0]["role"] == "system"


def main(oracle, out, n_random="8", seed="20261123"):
    env = environment()
    for name in TEMPLATES:
        templates = {}
        for t in TEMPLATES[name]:
            with open(f"{oracle}/{t}.jinja", encoding="utf-8") as f:
                templates[t] = env.from_string(f.read())
        n = refused = 0
        with open(f"{out}/{name}-chat.jsonl", "w", encoding="utf-8") as f:
            for t, case in of_format(name, int(n_random), int(seed)):
                if not wanted(t, case):
                    continue
                made = render(templates[t], case, name)
                f.write(json.dumps({"template": t} | case | made, ensure_ascii=False) + "\n")
                n += 1
                refused += "refused" in made
        print(f"{name}: {n} cases, {refused} refused")


if __name__ == "__main__":
    main(*sys.argv[1:])
