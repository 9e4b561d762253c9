/**
 * A chat template (Jinja) in plain words, for models that were not trained on chats and have none: a system turn as it is, then "User:" and "Assistant:", each on a
 * line of its own. An assistant's turn ends in the end-of-text token, so that a completion does.
 */
export const PLAIN_TEMPLATE =
  "{{ bos_token }}{% for message in messages %}{% if not loop.first %}{{ '\n\n' }}{% endif %}" +
  "{% if message['role'] == 'user' %}{{ 'User:\n' }}{% elif message['role'] == 'assistant' %}{{ 'Assistant:\n' }}{% endif %}" +
  "{{ message['content'] }}{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '\n\nAssistant:\n' }}{% endif %}";
