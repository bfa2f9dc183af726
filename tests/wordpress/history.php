<?php
// Stands in for the plugin Simple History, which Debian does not package: its events, at its address, in its shape.
// WordPress itself does not say who published, deleted or activated something.

function history_log($logger, $key, $context) {
    $user = wp_get_current_user();
    $events = get_option('history_events', []);
    $events[] = [
        'id' => count($events) + 1, 'date_local' => current_time('mysql'), 'date_gmt' => current_time('mysql', true), 'via' => '',
        'logger' => $logger, 'message_key' => $key, 'message' => $key, 'loglevel' => 'info',
        'initiator' => $user->ID ? 'wp_user' : (defined('WP_CLI') ? 'wp_cli' : 'wp'),
        'initiator_data' => ['user_id' => $user->ID ? (string) $user->ID : null, 'user_login' => $user->user_login ?: null, 'user_email' => $user->user_email ?: null],
        'ip_addresses' => new stdClass(), 'context' => ['_message_key' => $key, '_user_id' => (string) $user->ID] + $context,
    ];
    update_option('history_events', $events, false);
}

function history_of_post($post) {
    return ['post_id' => (string) $post->ID, 'post_type' => $post->post_type, 'post_title' => $post->post_title];
}

add_action('wp_insert_post', function ($id, $post, $update) {
    if (!$update && $post->post_type !== 'revision') {
        history_log('SimplePostLogger', 'post_created', history_of_post($post) + [
            'post_new_post_content' => $post->post_content, 'post_prev_status' => 'new', 'post_new_status' => $post->post_status]);
    }
}, 10, 3);

add_action('post_updated', function ($id, $after, $before) {
    if ($after->post_type === 'revision') {
        return;
    }
    if ($after->post_status === 'trash') {
        history_log('SimplePostLogger', 'post_trashed', history_of_post($after));
        return;
    }
    $context = history_of_post($after);
    foreach (['post_title', 'post_content', 'post_excerpt', 'post_status'] as $field) {
        if ($after->$field !== $before->$field) {
            $context += ["post_prev_$field" => $before->$field, "post_new_$field" => $after->$field];
        }
    }
    history_log('SimplePostLogger', 'post_updated', $context);
}, 10, 3);

add_action('before_delete_post', function ($id, $post) {
    if ($post->post_type !== 'revision') {
        history_log('SimplePostLogger', 'post_deleted', history_of_post($post));
    }
}, 10, 2);

foreach (['activated_plugin' => 'plugin_activated', 'deactivated_plugin' => 'plugin_deactivated'] as $hook => $key) {
    add_action($hook, function ($plugin) use ($key) {
        $data = get_plugin_data(WP_PLUGIN_DIR . '/' . $plugin, false, false);
        history_log('SimplePluginLogger', $key, ['plugin_name' => $data['Name'], 'plugin_slug' => dirname($plugin), 'plugin_version' => $data['Version']]);
    });
}

// A role is exchanged in two steps, through the REST interface too.
add_action('remove_user_role', function ($id, $role) {
    $GLOBALS['history_old_role'][$id] = $role;
}, 10, 2);
add_action('add_user_role', function ($id, $role) {
    $edited = get_userdata($id);
    history_log('SimpleUserLogger', 'user_role_updated', [
        'edited_user_id' => (string) $id, 'edited_user_login' => $edited->user_login, 'new_role' => $role, 'old_role' => $GLOBALS['history_old_role'][$id] ?? '']);
}, 10, 2);

add_action('updated_option', function ($option, $old, $new) {
    if (in_array($option, ['blogname', 'blogdescription', 'admin_email'], true)) {
        history_log('SimpleOptionsLogger', 'option_updated', ['option' => $option, 'old_value' => $old, 'new_value' => $new]);
    }
}, 10, 3);

add_action('rest_api_init', function () {
    register_rest_route('simple-history/v1', '/events', [
        'methods' => 'GET',
        'permission_callback' => fn() => current_user_can('manage_options'),
        'callback' => function ($request) {
            $from = $request['date_from'] ?? '1970-01-01';
            $events = array_reverse(array_filter(get_option('history_events', []), fn($event) => $event['date_gmt'] >= $from));
            [$page, $size] = [max(1, (int) $request['page']), max(1, (int) ($request['per_page'] ?? 10))];
            $response = rest_ensure_response(array_slice($events, ($page - 1) * $size, $size));
            if ($page * $size < count($events)) {
                $response->link_header('next', add_query_arg(['page' => $page + 1] + $request->get_query_params(), rest_url('simple-history/v1/events')));
            }
            return $response;
        },
    ]);
});
